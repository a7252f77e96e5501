import t from 'tap'
import { closeCodeOfReadError } from '../../../lib/wire/close-codes.ts'
import { outcomeOfStatus } from '../../../lib/wire/outcome.ts'

t.test('each error of reading frames has its close code; an error of the connection has none', async t => {
  t.equal(closeCodeOfReadError('WS_ERR_UNSUPPORTED_MESSAGE_LENGTH'), 1009)
  t.equal(closeCodeOfReadError('WS_ERR_INVALID_UTF8'), 1007)
  t.equal(closeCodeOfReadError('WS_ERR_INVALID_OPCODE'), 1002)
  t.equal(closeCodeOfReadError('ECONNRESET'), undefined)
  t.equal(closeCodeOfReadError(undefined), undefined)
})

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
