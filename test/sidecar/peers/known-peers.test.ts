import t from 'tap'
import { createMember, parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Acquaintances } from '../../../sidecar/peers/known-peers.ts'

function start() {
  const clock = { now: 0 }
  const acquaintances = new Acquaintances({
    members: () => MemberSet.of(parseMembers('a:1')),
    history: { get: name => (name === 'old:1' ? createMember('old', 1) : undefined) },
    now: () => clock.now,
  })
  return { clock, acquaintances }
}

t.test('members of now and of a moment ago are known; a name alone is not', async t => {
  const { acquaintances } = start()
  t.equal(acquaintances.get('a:1')?.name, 'a:1')
  t.equal(acquaintances.get('old:1')?.name, 'old:1')
  t.equal(acquaintances.get('b:1'), undefined)
})

t.test('who was met is known for a minute after the last time', async t => {
  const { clock, acquaintances } = start()
  acquaintances.met('B:1')
  acquaintances.met('no member at all')
  clock.now = 59_000
  t.match(acquaintances.get('b:1'), { name: 'b:1', host: 'b', port: 1 })
  t.equal(acquaintances.get('no member at all'), undefined)
  acquaintances.met('b:1')
  clock.now = 118_000
  t.ok(acquaintances.get('b:1'))
  clock.now = 119_000
  t.equal(acquaintances.get('b:1'), undefined)
})
