import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { LiveMembers } from '../../../balancer/placement/live-members.ts'
import type { Discovery } from '../../../lib/routing/discovery/discovery.ts'
import { parseMembers } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { Suspects } from '../../../lib/routing/suspects.ts'

const NAMES = ['a:1', 'b:1', 'c:1', 'd:1']

/** Four members, of which discovery says what a test wants, with a clock that the test moves. */
function setUp(t: Test, names = NAMES) {
  const members = MemberSet.of(parseMembers(names.join()))
  const leaving = new Set<string>()
  const suspects = new Suspects({ probe: async () => false })
  t.teardown(() => suspects.close())
  const clock = { now: 1_000_000 }
  const time = mock.method(performance, 'now', () => clock.now)
  t.teardown(() => time.mock.restore())
  const live = new LiveMembers({ members, leaving } as unknown as Discovery, suspects)
  /** The user's members in their order. */
  const order = (user: string) => members.rank(user).map(({ name }) => name)
  return {
    live,
    members,
    leaving,
    clock,
    order,
    chosen: (user: string, ...tried: string[]) => live.choose(user, new Set(tried))?.name,
  }
}

const users = Array.from({ length: 50 }, (_, n) => `user-${n}`)

t.test('the owner is chosen while it is well', async t => {
  const { live, order, members } = setUp(t)
  t.equal(live.size, 4)
  t.strictSame(
    users.map(user => live.choose(user)?.name),
    users.map(user => order(user)[0]),
  )
  t.equal(live.choose('ann'), members.owner('ann'))
})

t.test('one that leaves, did not take a handshake, or was tried, is passed over for the next in the order', async t => {
  const { live, leaving, order, chosen } = setUp(t)
  for (const user of users.slice(0, 8)) {
    const [owner = '', second = '', third] = order(user)
    t.equal(chosen(user, owner), second, 'tried')
    leaving.add(owner)
    t.equal(chosen(user), second, 'leaving')
    t.equal(chosen(user, second), third, 'leaving, and the next one tried')
    leaving.clear()
  }
  live.suspect('b:1')
  t.strictSame(
    users.map(user => chosen(user)),
    users.map(user => order(user).find(name => name !== 'b:1')),
    'suspect',
  )
})

t.test('if all leave, the owner takes the user all the same, but not a second time', async t => {
  const { leaving, order, chosen } = setUp(t)
  for (const name of NAMES) leaving.add(name)
  for (const user of users.slice(0, 8)) {
    const [owner = ''] = order(user)
    t.equal(chosen(user), owner)
    t.equal(chosen(user, owner), undefined)
  }
})

t.test('without members there is none', async t => {
  const { live } = setUp(t, [])
  t.equal(live.size, 0)
  t.equal(live.choose('ann'), undefined)
})

t.test("a member's own notice counts before discovery knows of it, for half a minute", async t => {
  const { live, clock } = setUp(t)
  live.markDraining('a:1')
  t.ok(live.isLeaving('a:1'))
  t.notOk(live.isMember('a:1'))
  t.notOk(live.isLeaving('b:1'))
  clock.now += 29_999
  t.ok(live.isLeaving('a:1'))
  clock.now += 1
  t.notOk(live.isLeaving('a:1'), 'by then discovery says it, or the pod is back')
  t.ok(live.isMember('a:1'))
})

t.test('a member is one that discovery lists and that does not leave', async t => {
  const { live, leaving } = setUp(t)
  t.ok(live.isMember('a:1'))
  t.notOk(live.isMember('x:1'))
  leaving.add('a:1')
  t.notOk(live.isMember('a:1'))
})

t.test('a suspect that discovery does not list is none', async t => {
  const { live, order, chosen } = setUp(t)
  live.suspect('x:1')
  t.strictSame(
    users.map(user => chosen(user)),
    users.map(user => order(user)[0]),
  )
})

t.test('notices of names that nobody has cannot fill the memory', async t => {
  const { live } = setUp(t)
  live.markDraining('a:1')
  for (let n = 0; n < 9999; n++) live.markDraining(`pod-${n}:1`)
  t.ok(live.isLeaving('a:1'))
  live.markDraining('b:1')
  t.notOk(live.isLeaving('a:1'), 'ten thousand are the most')
  t.ok(live.isLeaving('b:1'))
})
