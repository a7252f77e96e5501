import t from 'tap'
import { outcomeOfStatus } from '../../../lib/wire/outcome.ts'

t.test('each answer of the HTTP transport is one outcome', async t => {
  t.strictSame([204, 404, 413, 429, 503, 400, 401, 500].map(outcomeOfStatus), [
    'delivered',
    'offline',
    'too_large',
    'slow_consumer',
    'no_owner',
    'rejected',
    'rejected',
    'rejected',
  ])
})
