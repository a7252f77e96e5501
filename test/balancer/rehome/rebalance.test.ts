import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { type Connection, newPlacement } from '../../../balancer/placement/placement.ts'
import { misplaced } from '../../../balancer/rehome/rebalance.ts'
import { createMember } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'

const MEMBERS = Array.from({ length: 6 }, (_, n) => createMember('10.0.0.1', 3000 + n))

const connect = (user: string | undefined, member: string, lastSeen = 0, state = 'open'): Connection =>
  ({
    state,
    lastSeen,
    context: newPlacement({ id: 'a', user, key: user ?? 'random', member }),
  }) as unknown as Connection

t.test('only those move whose owner is another, the idlest first', async () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.string({ minLength: 1 }), fc.nat(1000)), { maxLength: 40 }),
      fc.integer({ min: 1, max: 6 }),
      fc.integer({ min: 1, max: 6 }),
      (users, before, after) => {
        const [old, now] = [before, after].map(count => MemberSet.of(MEMBERS.slice(0, count))) as [MemberSet, MemberSet]
        const all = users.map(([user, seen]) => connect(user, old.owner(user)?.name ?? '', seen))
        const wrong = misplaced(
          all,
          key => now.owner(key),
          name => now.get(name) !== undefined,
        )
        const expected = all.filter(({ context }) => now.owner(context.key)?.name !== context.member)
        assert.deepEqual(new Set(wrong), new Set(expected))
        assert.ok(wrong.every(({ lastSeen }, n) => n === 0 || lastSeen >= (wrong[n - 1]?.lastSeen ?? 0)))
      },
    ),
    { seed: 22, numRuns: 300 },
  )
})

t.test('who has no name stays, unless its member is none any more; who is closing is left alone', async t => {
  const [here, gone] = [connect(undefined, '10.0.0.1:3000'), connect(undefined, '10.0.0.1:3009')]
  const closing = connect('ann', '10.0.0.1:3009', 0, 'closing')
  const isMember = (name: string) => name === '10.0.0.1:3000'
  t.strictSame(
    misplaced([here, gone, closing], () => MEMBERS[1], isMember),
    [gone],
  )
})
