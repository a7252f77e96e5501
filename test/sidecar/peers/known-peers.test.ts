import t from 'tap'
import { createMember, parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { KnownPeers } from '../../../sidecar/peers/known-peers.ts'

function start() {
  const clock = { now: 0 }
  const knownPeers = new KnownPeers({
    members: () => MemberSet.of(parseMembers('a:1')),
    history: { get: name => (name === 'old:1' ? createMember('old', 1) : undefined) },
    now: () => clock.now,
  })
  return { clock, knownPeers }
}

t.test('members of now and of a moment ago are known; a name alone is not', async t => {
  const { knownPeers } = start()
  t.equal(knownPeers.get('a:1')?.name, 'a:1')
  t.equal(knownPeers.get('old:1')?.name, 'old:1')
  t.equal(knownPeers.get('b:1'), undefined)
})

t.test('who was met is known for a minute after the last time', async t => {
  const { clock, knownPeers } = start()
  knownPeers.addVerified('B:1')
  knownPeers.addVerified('no member at all')
  clock.now = 59_000
  t.match(knownPeers.get('b:1'), { name: 'b:1', host: 'b', port: 1 })
  t.equal(knownPeers.get('no member at all'), undefined)
  knownPeers.addVerified('b:1')
  clock.now = 118_000
  t.ok(knownPeers.get('b:1'))
  clock.now = 119_000
  t.equal(knownPeers.get('b:1'), undefined)
})
