import t from 'tap'
import { restartDelayMs } from '../../../../lib/service/workers/restart.ts'

t.test('each crash in a row doubles the wait, up to half a minute', async t => {
  t.strictSame([1, 2, 3, 4, 9, 10, 10_000].map(restartDelayMs), [100, 200, 400, 800, 25_600, 30_000, 30_000])
})
