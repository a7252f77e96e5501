import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { RecentWriters } from '../../../../sidecar/receive/shadows/recent-writers.ts'

/** Writers on a clock that stands still until it is moved on. */
function start(t: Test): RecentWriters {
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => mock.timers.reset())
  const writers = new RecentWriters()
  t.teardown(() => writers.stop())
  return writers
}

t.test('who has written to a user is known for some seconds, and is asked whether it was read', async t => {
  const writers = start(t)
  const asked: string[] = []
  const writer = (name: string) => ({ fence: async () => asked.push(name) > 0 })
  const [one, two] = [writer('one'), writer('two')]
  writers.note('bob', one)
  mock.timers.tick(4000)
  writers.note('bob', two)
  writers.note('bob', two)
  writers.note('ann', two)
  mock.timers.tick(2000)
  await writers.settle('bob', 100)
  t.strictSame(asked, ['one', 'two'], 'each once')
  mock.timers.tick(6000)
  t.equal(writers.of('bob').size, 0)
  writers.note('bob', one)
  mock.timers.tick(88_000)
  t.equal(writers.of('bob').size, 0)
})

t.test('who has written is let go of where nobody asks or writes any more', t => {
  const writers = start(t)
  for (let n = 0; n < 100; n++) writers.note(`user ${n}`, { fence: async () => true })
  t.equal(writers.users, 100)
  mock.timers.tick(5000)
  t.equal(writers.users, 100, 'for one span at least')
  mock.timers.tick(5000)
  t.equal(writers.users, 0)
  t.end()
})
