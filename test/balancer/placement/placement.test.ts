import t from 'tap'
import { newPlacement, withinLossBudget } from '../../../balancer/placement/placement.ts'

const begin = (user?: string) => newPlacement({ id: 'a', user, key: user ?? 'random', member: 'a:1' })

t.test('a connection begins with the user that its client claims, and has lost nothing', async t => {
  t.match(begin('ann'), {
    id: 'a',
    user: 'ann',
    claimed: 'ann',
    key: 'ann',
    member: 'a:1',
    endedByApp: false,
    losses: 0,
  })
  t.match(begin(), { user: undefined, claimed: undefined, key: 'random' })
  t.equal(begin().handshake.length, 0)
})

t.test('an upstream may be lost five times in a minute', async t => {
  const placement = begin('ann')
  const asked = [0, 1000, 2000, 3000, 4000, 5000, 59_000].map(now => withinLossBudget(placement, 100_000 + now))
  t.strictSame(asked, [true, true, true, true, true, false, false])
  t.ok(withinLossBudget(placement, 170_000), 'and again later')
})

t.test('the minute begins with its first loss, not with each', async t => {
  const placement = begin('ann')
  const at = (seconds: number) => withinLossBudget(placement, 100_000 + seconds * 1000)
  t.strictSame([0, 15, 30, 45, 60].map(at), [true, true, true, true, true])
  t.notOk(at(60), 'the sixth within it')
  t.ok(at(60.001), 'the first of the next')
  t.equal(placement.losses, 1)
})

t.test('the time of each loss is known, whether it is within the budget or not', async t => {
  const placement = begin('ann')
  for (let n = 1; n <= 8; n++) {
    withinLossBudget(placement, 100_000 + n)
    t.equal(placement.lostAt, 100_000 + n)
  }
})

t.test('one connection does not use up the budget of another', async t => {
  const [ann, bob] = [begin('ann'), begin('bob')]
  for (let n = 0; n < 9; n++) withinLossBudget(ann, 100_000)
  t.ok(withinLossBudget(bob, 100_000))
})
