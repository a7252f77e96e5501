import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import type { Connection } from '../../../balancer/placement/placement.ts'
import { closePaced, closingTimes } from '../../../balancer/rehome/close-paced.ts'

t.test('clients are closed at random moments, in good time, and few of them soon', async t => {
  fc.assert(
    fc.property(fc.nat(5000), fc.nat(60_000), (count, timeMs) => {
      const times = closingTimes(count, timeMs)
      assert.equal(times.length, count)
      assert.ok(times.every((at, n) => at >= 0 && at <= timeMs * 0.6 && at <= count * 10 && at >= (times[n - 1] ?? 0)))
    }),
    { seed: 21, numRuns: 300 },
  )
  const many = closingTimes(10_000, 30_000)
  const perSecond = Array.from(
    { length: 18 },
    (_, s) => many.filter(at => at >= s * 1000 && at < s * 1000 + 1000).length,
  )
  t.ok(
    perSecond.every(count => count > 400 && count < 720),
    `spread over the whole time, with no herd in any second: ${perSecond}`,
  )
  t.strictSame(closingTimes(3, -5), [0, 0, 0], 'when the time is over: at once')
})

t.test('each is told to connect again', async t => {
  const told: unknown[] = []
  const connection = () => ({ close: (...args: unknown[]) => void told.push(args) }) as unknown as Connection
  await closePaced([connection(), connection()], Date.now() + 1000)
  t.strictSame(told, Array(2).fill(['shutdown', 1012, 'service restart']))
})
