import { Agent, request as httpRequest } from 'node:http'
import { type AddressInfo, connect, createServer } from 'node:net'
import t, { type Test } from 'tap'
import { PlainExchange, type PlainResult, StaleConnection } from '../../../../lib/proxy/plain/plain-exchange.ts'
import { MAX_INTERIM_ANSWERS } from '../../../../lib/websocket/response-head.ts'
import { ask, askRaw, startHttp, startTcp } from '../../../helpers/plain.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { memoryOf } from '../fixtures.ts'

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi'

/** A server that passes each request to an upstream, and lists the results and error codes. */
async function startPasser(
  t: Test,
  upstreamPort: number,
  { agent, timeoutMs = 5000 }: { agent?: Agent; timeoutMs?: number } = {},
) {
  const results: (PlainResult | string | undefined)[] = []
  const statuses: (number | undefined)[] = []
  const listenersLeft: number[] = []
  const passer = await startHttp(t, (request, response) => {
    const outgoing = httpRequest({
      port: upstreamPort,
      method: request.method,
      agent: agent ?? false,
      timeout: timeoutMs,
      maxHeaderSize: 1000,
    })
    const before = response.listenerCount('close')
    const exchange = new PlainExchange(request, outgoing, response, {
      upstream: 'upstream:1',
      timeoutMs,
      maxHeadBytes: 1000,
      answer: { 'X-Hop': 'here', 'X-Hidden': 'hop' },
      hidden: new Set(['x-hidden']),
      onAnswer: ({ statusCode }) => statuses.push(statusCode),
      memory: memoryOf(),
      garbage: { add() {} },
    })
    exchange.result.then(
      result => results.push(result),
      error => {
        results.push(error instanceof StaleConnection ? 'stale' : error.code)
        listenersLeft.push(response.listenerCount('close') - before)
        response.writeHead(599).end()
      },
    )
  })
  return { port: passer.port, results, statuses, listenersLeft }
}

/** The result of one request to an upstream that writes these bytes. */
async function resultOf(t: Test, bytes: string) {
  const upstream = await startTcp(t, socket => socket.end(bytes))
  const passer = await startPasser(t, upstream.port)
  const answer = await askRaw(t, passer.port, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  await waitFor(() => passer.results.length > 0, 'a result')
  return { answer, result: passer.results[0] }
}

t.test('an answer passes with the fields of this hop, without hidden ones', async t => {
  const app = await startHttp(t, (request, response) => {
    response.setHeader('X-Hidden', 'app')
    response.setHeader('X-App', 'a')
    request.pipe(response)
  })
  const passer = await startPasser(t, app.port)
  const { status, headers, body } = await ask(passer.port, { method: 'POST', body: Buffer.from('hello') })
  t.equal(status, 200)
  t.equal(body, 'hello')
  t.equal(headers['x-app'], 'a')
  t.equal(headers['x-hop'], 'here')
  t.notOk('x-hidden' in headers)
  await waitFor(() => passer.results.length > 0, 'a result')
  t.strictSame(passer.results, ['passed'])
  t.strictSame(passer.statuses, [200])
})

t.test('an upstream without a proper answer has failed', async t => {
  for (const bytes of [
    '',
    'no HTTP',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n',
    'HTTP/1.1 099 Odd\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(2000)}\r\n\r\n`,
    'HTTP/1.1 102 Processing\r\n\r\n'.repeat(MAX_INTERIM_ANSWERS + 1) + ANSWER,
  ]) {
    const { answer, result } = await resultOf(t, bytes)
    t.equal(result, 'WSO_ERR_UPSTREAM_FAILED', bytes.slice(0, 40))
    t.match(answer, /^HTTP\/1\.1 599 /)
  }
})

t.test('some interim answers are allowed', async t => {
  const { answer, result } = await resultOf(t, 'HTTP/1.1 102 Processing\r\n\r\n'.repeat(MAX_INTERIM_ANSWERS) + ANSWER)
  t.equal(result, 'passed')
  t.match(answer, /^HTTP\/1\.1 200 /)
})

t.test('an answer that breaks off is broken off for the client', async t => {
  const { answer, result } = await resultOf(t, 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi')
  t.equal(result, 'failed')
  t.match(answer, /^HTTP\/1\.1 200 [\s\S]*hi$/)
})

t.test('an upstream that is silent for too long has timed out', async t => {
  const upstream = await startTcp(t, () => {})
  const passer = await startPasser(t, upstream.port, { timeoutMs: 20 })
  t.equal((await ask(passer.port)).status, 599)
  t.strictSame(passer.results, ['WSO_ERR_UPSTREAM_TIMEOUT'])
})

t.test('an upstream that cannot be reached is reported as such', async t => {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  const passer = await startPasser(t, port)
  t.equal((await ask(passer.port)).status, 599)
  t.strictSame(passer.results, ['WSO_ERR_UPSTREAM_UNREACHABLE'])
})

t.test('a client that leaves ends the request to the upstream', async t => {
  let ended = false
  let begun = false
  const upstream = await startTcp(t, socket => {
    begun = true
    socket.on('close', () => {
      ended = true
    })
  })
  const passer = await startPasser(t, upstream.port)
  const client = connect(passer.port, '127.0.0.1')
  client.write('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await waitFor(() => begun, 'the request reaches the upstream')
  client.destroy()
  await waitFor(() => ended && passer.results.length > 0, 'both ends')
  t.strictSame(passer.results, ['left'])
})

t.test('a kept connection that fails is stale', async t => {
  const agent = new Agent({ keepAlive: true })
  t.teardown(() => agent.destroy())
  let requests = 0
  const upstream = await startTcp(t, socket => (++requests === 1 ? socket.write(ANSWER) : socket.destroy()))
  const passer = await startPasser(t, upstream.port, { agent })
  t.equal((await ask(passer.port)).status, 200)
  await waitFor(() => Object.keys(agent.freeSockets).length > 0, 'the connection is kept')
  t.equal((await ask(passer.port)).status, 599)
  t.strictSame(passer.results, ['passed', 'stale'])
  t.strictSame(passer.listenersLeft, [0], 'the response is left as it was for the next exchange')
})

t.test('a whole answer passes, whatever comes behind it in the same write', async t => {
  const upstream = await startTcp(t, (socket, chunk) => {
    const isHead = String(chunk).startsWith('HEAD')
    // Some apps answer HEAD with the body of GET.
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${isHead ? 'ok' : 'oksurplus'}`)
  })
  const passer = await startPasser(t, upstream.port)
  t.match(await ask(passer.port, { method: 'HEAD' }), { status: 200, headers: { 'content-length': '2' }, body: '' })
  t.match(await ask(passer.port), { status: 200, body: 'ok' })
  await waitFor(() => passer.results.length === 2, 'both have ended')
  t.strictSame(passer.results, ['passed', 'passed'])
})
