import t from 'tap'
import { ASK_AGAIN_MS, AskSchedule } from '../../../sidecar/connections/ask-schedule.ts'

const connections = (count: number) => Array.from({ length: count }, (_, n) => ({ n }))

t.test('connections are asked evenly over the span, oldest first, and each once', async t => {
  const all = connections(100)
  const schedule = new AskSchedule(100, 1000, 20)
  t.strictSame(schedule.take(all, 0), all.slice(0, 2))
  t.strictSame(schedule.take(all, 0), [], 'no more before the next step')
  t.strictSame(schedule.take(all, 20), all.slice(2, 4))
  t.strictSame(schedule.take(all, 500), all.slice(4, 52), 'a late step makes up for missed ones')
  t.strictSame(schedule.take(all, 980), all.slice(52))
})

t.test('after the span all are due, also those that came later', async t => {
  const all = connections(1000)
  t.equal(new AskSchedule(10, 100, 20).take(all, 100).length, 1000)
  t.equal(new AskSchedule(10, -1, 20).take(all, 0).length, 1000, 'no time at all')
})

t.test('a remaining connection is asked again after the pause, whatever the others take', async t => {
  const all = connections(10)
  const schedule = new AskSchedule(10, 5000, 20)
  t.strictSame(schedule.take(all, 0), all.slice(0, 1))
  t.strictSame(schedule.take(all.slice(0, 1), ASK_AGAIN_MS - 1), [])
  t.strictSame(schedule.take(all.slice(0, 1), ASK_AGAIN_MS), all.slice(0, 1))
  t.equal(schedule.take(all, 3000).length, 6, 'a repeated request is not part of the quota')
})
