import { once } from 'node:events'
import { mock } from 'node:test'
import t from 'tap'
import { upstreamError } from '../../../lib/bridge/socket/upstream-errors.ts'
import { answerOf, endSoon, sayAndEnd } from '../../../lib/proxy/error-response.ts'
import { serviceError } from '../../../lib/service/http/errors.ts'
import { ERROR_HEADER, INSTANCE_HEADER } from '../../../lib/service/names.ts'
import { socketPair } from '../../helpers/socket-pair.ts'
import { sinksOf } from './fixtures.ts'

t.test('an error of the table is answered with its status and code, in a header and in the body', async t => {
  const sinks = sinksOf()
  const { status, code, fields, body } = answerOf(serviceError('BAD_HOST'), '/path?token=secret', sinks)
  t.strictSame([status, code, fields[ERROR_HEADER]], [400, 'WSO_ERR_BAD_HOST', 'WSO_ERR_BAD_HOST'])
  t.strictSame(JSON.parse(body), { error: 'WSO_ERR_BAD_HOST', message: 'a request has one Host header' })
  t.strictSame(sinks.lines, [], 'a fault of the client is not logged')
})

t.test('a status of 500 and above is logged with its details, and never with the query', async t => {
  const sinks = sinksOf()
  answerOf(upstreamError('UPSTREAM_UNREACHABLE', '10.0.0.7:80', 'ECONNREFUSED'), '/path?token=secret', sinks)
  t.match(sinks.lines, [
    { level: 'warn', code: 'WSO_ERR_UPSTREAM_UNREACHABLE', upstream: '10.0.0.7:80', path: '/path' },
  ])
  t.notMatch(JSON.stringify(sinks.lines), 'secret')
})

t.test('addresses and details are told only where the topology is shown', async t => {
  const error = upstreamError('UPSTREAM_UNREACHABLE', '10.0.0.7:80', 'ECONNREFUSED')
  const hidden = answerOf(error, '/', sinksOf(false))
  t.notMatch(hidden.body, /10\.0\.0\.7|ECONNREFUSED/)
  t.equal(hidden.fields[INSTANCE_HEADER], undefined)
  const shown = answerOf(error, '/', sinksOf(true))
  t.match(JSON.parse(shown.body), { message: /ECONNREFUSED/, upstream: '10.0.0.7:80' })
  t.equal(shown.fields[INSTANCE_HEADER], 'pod-1')
})

t.test('an error that nobody expected says nothing of itself but in the log', async t => {
  const sinks = sinksOf(true)
  const { status, code, body } = answerOf(new Error('secret of the code'), '/', sinks)
  t.strictSame([status, code], [500, 'WSO_ERR_INTERNAL'])
  t.notMatch(body, 'secret of the code')
  t.match(sinks.lines, [{ level: 'error', err: { message: 'secret of the code' } }])
})

t.test('a refusal for a while, and no other, says when to come again', async t => {
  t.equal(answerOf(serviceError('FULL', 3), '/', sinksOf()).fields['Retry-After'], '1')
  t.equal(answerOf(serviceError('BAD_HOST'), '/', sinksOf()).fields['Retry-After'], undefined)
})

t.test('a handshake is answered whole, and its connection is closed', async t => {
  const { ours, peer, received } = await socketPair(t)
  sayAndEnd(ours, 426, 'é\n', { 'Sec-WebSocket-Version': '13' })
  await once(peer, 'end')
  const [head, body] = String(received()).split('\r\n\r\n')
  t.equal(body, 'é\n')
  t.match(head, /^HTTP\/1\.1 426 Upgrade Required\r\n/)
  for (const field of ['Sec-WebSocket-Version: 13', 'Content-Length: 3', 'Connection: close']) t.match(head, field)
  peer.end()
  await once(ours, 'close')
})

t.test('a client that takes no answer any more is destroyed', async t => {
  const { ours } = await socketPair(t)
  ours.end()
  sayAndEnd(ours, 400, 'late', {})
  t.ok(ours.destroyed)
})

t.test('a client that keeps its side open is cut off after five seconds, whatever it sends', async t => {
  const { ours, peer } = await socketPair(t)
  mock.timers.enable({ apis: ['setTimeout'] })
  t.teardown(() => mock.timers.reset())
  endSoon(ours)
  mock.timers.tick(4999)
  peer.write('more')
  await once(ours, 'data')
  t.notOk(ours.destroyed)
  mock.timers.tick(1)
  t.ok(ours.destroyed)
})
