import t from 'tap'
import { answerOfStatus } from '../../../sidecar/transport/outcome.ts'

t.test('each answer of the HTTP transport is one outcome, or says where the recipient is', async t => {
  t.strictSame(
    [204, 404, 413, 429, 503, 400, 401, 409, 500].map(status => answerOfStatus(status, undefined)),
    ['delivered', 'offline', 'too_large', 'slow_consumer', 'no_owner', 'rejected', 'rejected', 'rejected', 'rejected'],
  )
  t.strictSame(answerOfStatus(421, '10.0.0.1:3000'), { member: '10.0.0.1:3000' })
  t.strictSame(answerOfStatus(421, undefined), { member: undefined }, 'gone a moment ago')
  t.equal(answerOfStatus(404, '10.0.0.1:3000'), 'offline', 'the header means nothing elsewhere')
})
