import t from 'tap'
import { RecentWriters } from '../../../sidecar/receive/recent-writers.ts'

t.test('who has written to a user is known for some seconds, and is asked whether it was read', async t => {
  let now = 0
  const writers = new RecentWriters(() => now)
  const asked: string[] = []
  const writer = (name: string) => ({ fence: async () => asked.push(name) > 0 })
  const [one, two] = [writer('one'), writer('two')]
  writers.note('bob', one)
  now = 4000
  writers.note('bob', two)
  writers.note('bob', two)
  writers.note('ann', two)
  now = 6000
  await writers.settle('bob', 100)
  t.strictSame(asked, ['one', 'two'], 'each once')
  now = 12_000
  t.equal(writers.of('bob').size, 0)
  writers.note('bob', one)
  now = 100_000
  t.equal(writers.of('bob').size, 0)
})
