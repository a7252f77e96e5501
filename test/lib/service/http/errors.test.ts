import fastify from 'fastify'
import t from 'tap'
import { ERRORS, type ErrorName, serviceError } from '../../../../lib/service/http/errors.ts'

const table = Object.entries(ERRORS) as [ErrorName, (typeof ERRORS)[ErrorName]][]

t.test('each code is there once and says that it is ours', async t => {
  const codes = table.map(([, { code }]) => code)
  t.equal(new Set(codes).size, codes.length)
  for (const [name, { code }] of table) t.equal(code, `WSO_ERR_${name}`)
})

t.test('each status is that of an error, and what went wrong here is worth another try', async t => {
  for (const [name, { status, retryable }] of table) {
    t.ok(status >= 400 && status < 600, name)
    // 501: what was asked for is not done here, however often it is asked for.
    if (status >= 500 && status !== 501) t.ok(retryable, `${name}: ${status}`)
  }
})

t.test('an error has its code, its status, and a message without blanks', async t => {
  const error = serviceError('UPSTREAM_TIMEOUT', 5000)
  t.ok(error instanceof Error)
  t.match(error, {
    code: 'WSO_ERR_UPSTREAM_TIMEOUT',
    statusCode: 504,
    message: 'the upstream did not answer within 5000 ms',
  })
})

t.test('Fastify answers with it', async t => {
  const app = fastify()
  app.get('/', async () => {
    throw serviceError('MISSING_KEY', 'query:user')
  })
  const response = await app.inject('/')
  t.equal(response.statusCode, 400)
  t.strictSame(response.json(), {
    statusCode: 400,
    code: 'WSO_ERR_MISSING_KEY',
    error: 'Bad Request',
    message: 'no user in this handshake; looked in query:user',
  })
})
