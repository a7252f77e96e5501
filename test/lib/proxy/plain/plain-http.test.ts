import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import type { PlainTarget } from '../../../../lib/proxy/plain/outgoing-request.ts'
import type { PlainResult } from '../../../../lib/proxy/plain/plain-exchange.ts'
import { PlainHttp } from '../../../../lib/proxy/plain/plain-http.ts'
import { ask, askRaw, startHttp, startTcp } from '../../../helpers/plain.ts'
import { freePort, type Scope } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { memoryOf } from '../fixtures.ts'

/** A server that passes each request to an app, and what became of them: a result, or the code of an error. */
async function start(t: Scope, app: { port: number }, more: Partial<PlainTarget> & { timeoutMs?: number } = {}) {
  const { timeoutMs = 60_000, ...target } = more
  const bytes = { passed: 0 }
  const passed = (length: number) => {
    bytes.passed += length
  }
  const memory = memoryOf(passed)
  const garbage = { add() {} }
  const plain = new PlainHttp({ timeoutMs, maxHeadBytes: 16_384, hidden: new Set(['x-hidden']), memory, garbage })
  t.teardown(() => plain.close())
  const results: (PlainResult | string)[] = []
  const to = { host: '127.0.0.1', port: app.port, drop: new Set<string>(), set: {}, answer: {}, ...target }
  const { port } = await startHttp(t, (request, response) => {
    plain.pass(request, response, to).then(
      result => results.push(result),
      (error: { code: string; statusCode: number }) => {
        results.push(error.code)
        response.writeHead(error.statusCode, { Connection: 'close' }).end(error.code)
      },
    )
  })
  return { port, results, bytes }
}

const echo = (request: IncomingMessage, response: ServerResponse) => void request.pipe(response)

t.test('a request passes with its method, path, fields and body, and the answer comes back', async t => {
  const seen: IncomingMessage[] = []
  const app = await startHttp(t, (request, response) => {
    seen.push(request)
    response.writeHead(201, 'Made', { 'X-App': 'yes', 'X-Hidden': 'address', 'X-Ours': 'theirs' })
    request.pipe(response)
  })
  const { port, results, bytes } = await start(t, app, {
    drop: new Set(['x-drop']),
    set: { 'X-Set': 'ours' },
    answer: { 'X-Ours': 'ours', 'X-Hidden': 'ours' },
  })
  const headers = { 'X-Drop': 'forged', 'X-Stays': 'yes', Connection: 'X-Hop', 'X-Hop': 'for one hop' }
  const answer = await ask(port, { method: 'PUT', path: '/a%2Fb//../x?q=%zz', headers, body: Buffer.from('body') })
  t.match(answer, { status: 201, message: 'Made', body: 'body', headers: { 'x-app': 'yes', 'x-ours': 'ours' } })
  t.equal(answer.headers['x-hidden'], undefined, 'from nobody')
  t.match(seen[0], { method: 'PUT', url: '/a%2Fb//../x?q=%zz', headers: { 'x-stays': 'yes', 'x-set': 'ours' } })
  t.strictSame([seen[0]?.headers['x-drop'], seen[0]?.headers['x-hop']], [undefined, undefined])
  await waitFor(() => results.length === 1, 'it is finished')
  t.strictSame([results, bytes.passed], [['passed'], 8], 'both bodies are counted')
})

t.test('a chunked body stays framed with every method, so that it is no second request', async t => {
  const app = await startHttp(t, echo)
  const { port } = await start(t, app)
  for (const method of ['GET', 'DELETE', 'POST']) {
    const text = `${method} / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`
    t.match(await askRaw(t, port, text), /^HTTP\/1\.1 200 [\s\S]*hello/, method)
  }
})

t.test('a body in a coding that cannot be applied again is refused', async t => {
  const { port } = await start(t, await startHttp(t, echo))
  const text = 'POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'
  t.match(await askRaw(t, port, text), /^HTTP\/1\.1 501 [\s\S]*WSO_ERR_UNSUPPORTED_CODING/)
})

t.test('an upstream that cannot be reached, is silent, or answers no HTTP, is an error of the table', async t => {
  for (const [what, app, code] of [
    ['nobody', { port: await freePort() }, 'WSO_ERR_UPSTREAM_UNREACHABLE'],
    ['silence', await startHttp(t, () => {}), 'WSO_ERR_UPSTREAM_TIMEOUT'],
    ['no HTTP', await startTcp(t, socket => socket.end('SSH-2.0\r\n\r\n')), 'WSO_ERR_UPSTREAM_FAILED'],
    ['an end', await startTcp(t, socket => socket.end()), 'WSO_ERR_UPSTREAM_FAILED'],
    [
      'another protocol',
      await startTcp(t, socket => socket.write('HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n')),
      'WSO_ERR_UPSTREAM_FAILED',
    ],
    [
      'a status that cannot be sent',
      await startTcp(t, socket => socket.end('HTTP/1.1 099 x\r\n\r\n')),
      'WSO_ERR_UPSTREAM_FAILED',
    ],
  ] as const) {
    const { port, results } = await start(t, app, { timeoutMs: what === 'silence' ? 50 : 60_000 })
    t.equal((await ask(port)).body, code, what)
    t.strictSame(results, [code], what)
  }
})

t.test('an answer that has begun can only be broken off, and has failed', async t => {
  const app = await startHttp(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' })
    response.write('a bit', () => response.destroy())
  })
  const { port, results } = await start(t, app)
  await t.rejects(ask(port), { code: 'ECONNRESET' })
  await waitFor(() => results.length === 1, 'it is finished')
  t.strictSame(results, ['failed'])
})

t.test('a client that leaves takes its request with it', async t => {
  let isGone = false
  const app = await startHttp(t, (request, response) => {
    response.write('begun')
    request.socket.on('close', () => {
      isGone = true
    })
  })
  const { port, results } = await start(t, app)
  const socket = connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise(resolve => socket.once('data', resolve))
  socket.destroy()
  await waitFor(() => isGone && results.length === 1, 'the app sees it')
  t.strictSame(results, ['left'])
})

t.test(
  'a request that changes nothing is sent again where its kept connection was stale, any other is not',
  async t => {
    const methods: string[] = []
    const answered = new WeakSet()
    // It answers one request on each connection, and ends it without a word when the next one comes.
    const app = await startTcp(t, (socket, chunk) => {
      methods.push(String(chunk).split(' ', 1)[0] as string)
      if (answered.has(socket)) socket.destroy()
      else socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n${methods.at(-1) === 'HEAD' ? '' : 'ok'}`)
      answered.add(socket)
    })
    const { port } = await start(t, app, { set: { 'ws-user-id': 'alice' } })
    for (const expected of [1, 3]) {
      t.match(await ask(port), { status: 200, body: 'ok' })
      t.equal(methods.length, expected)
    }
    t.match(await ask(port, { method: 'POST' }), { status: 200 })
    t.match(await ask(port, { method: 'HEAD' }), { status: 200 })
    t.strictSame(methods.slice(3), ['POST', 'HEAD'], 'they get connections of their own')
  },
)
