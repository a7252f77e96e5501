import { once } from 'node:events'
import { request } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import {
  headTooLong,
  type NodeError,
  upstreamError,
  upstreamFault,
} from '../../../../lib/bridge/socket/upstream-errors.ts'
import { startTcp } from '../../../helpers/plain.ts'
import { freePort } from '../../../helpers/stack.ts'

const NAME = '10.0.0.7:8080'
const fault = (error: NodeError) => upstreamFault(error, NAME, 16_384)

/** The error that Node reports for a request to an app that answers like this. */
async function errorOf(t: Parameters<typeof startTcp>[0], answer: string | undefined): Promise<NodeError> {
  const { port } = await startTcp(t, socket => (answer === undefined ? socket.resetAndDestroy() : socket.end(answer)))
  const outgoing = request({ host: '127.0.0.1', port, agent: false }).end()
  const [error] = (await once(outgoing, 'error')) as [NodeError]
  return error
}

t.test('an upstream that refuses the connection cannot be reached', async t => {
  const [error] = (await once(connect(await freePort(), '127.0.0.1'), 'error')) as [NodeError]
  t.match(fault(error), {
    code: 'WSO_ERR_UPSTREAM_UNREACHABLE',
    statusCode: 502,
    message: /ECONNREFUSED/,
    upstream: NAME,
  })
  t.notMatch(fault(error).message, '127.0.0.1', 'addresses are for logs')
})

t.test('a name without an address, and one whose addresses all refuse, cannot be reached', async t => {
  const notFound = Object.assign(new Error('getaddrinfo ENOTFOUND a'), { code: 'ENOTFOUND', syscall: 'getaddrinfo' })
  t.match(fault(notFound), { code: 'WSO_ERR_UPSTREAM_UNREACHABLE', message: /ENOTFOUND/ })
  const both = Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' })
  t.match(fault(both), { code: 'WSO_ERR_UPSTREAM_UNREACHABLE', message: /ECONNREFUSED/ })
})

t.test('an upstream that breaks the connection off, once there is one, has failed', async t => {
  const error = await errorOf(t, undefined)
  t.match(fault(error), { code: 'WSO_ERR_UPSTREAM_FAILED', statusCode: 502, message: /broke the connection off/ })
  const pipe = Object.assign(new Error('write EPIPE'), { code: 'EPIPE', syscall: 'write' })
  t.match(fault(pipe), { code: 'WSO_ERR_UPSTREAM_FAILED', message: /broke the connection off/ })
})

t.test('an answer that is not HTTP/1 has failed, with the reason of the parser', async t => {
  const error = await errorOf(t, 'HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n')
  t.match(fault(error), { code: 'WSO_ERR_UPSTREAM_FAILED', message: /not valid HTTP\/1 \(.*Content-Length.*\)/i })
})

t.test('a head that is too long is said in the same words for requests and handshakes', async t => {
  const error = await errorOf(t, `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(100_000)}\r\n\r\n`)
  t.match(fault(error), { code: 'WSO_ERR_UPSTREAM_FAILED', message: headTooLong(16_384) })
  t.match(headTooLong(16_384), /16384 bytes/)
})

t.test('any other error of a connection has failed with its code', async t => {
  t.match(fault(Object.assign(new Error('x'), { code: 'ETIMEDOUT', syscall: 'read' })), {
    code: 'WSO_ERR_UPSTREAM_FAILED',
    message: /ETIMEDOUT/,
  })
  t.match(fault(new Error('no code')), { code: 'WSO_ERR_UPSTREAM_FAILED', message: /unknown error/ })
})

t.test('an error carries the upstream for logs, and its own detail', async t => {
  const error = upstreamError('UPSTREAM_TIMEOUT', NAME, 1234)
  t.match(error, { code: 'WSO_ERR_UPSTREAM_TIMEOUT', statusCode: 504, message: /1234 ms/, upstream: NAME })
})
