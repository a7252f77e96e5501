import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net'
import t from 'tap'
import { ask, startHttp } from '../helpers/plain.ts'
import { EXPOSED, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

t.test('a request goes to the pod that owns its user, as it came, and the answer comes back as it was', async t => {
  const seen: IncomingMessage[] = []
  const apps = await Promise.all(
    [0, 1].map(pod =>
      startHttp(t, (request, response) => {
        seen.push(request)
        response.writeHead(
          201,
          'Made',
          [
            ['Set-Cookie', 'a=1'],
            ['Set-Cookie', 'b=2'],
            ['X-Pod', String(pod)],
          ].flat(),
        )
        request.pipe(response)
      }),
    ),
  )
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, EXPOSED)
  for (const pod of [0, 1]) {
    const user = userOn(ownerOf, pod)
    const body = Buffer.alloc(300_000, 'x')
    const answer = await ask(balancer.port, {
      method: 'PUT',
      path: '/a%2Fb//../x?q=%zz',
      headers: {
        'ws-user-id': user,
        Cookie: 'sid=1',
        Connection: 'X-Hop',
        'X-Hop': 'stays here',
        'X-Ws-Operator-Client-Request': 'forged',
      },
      body,
    })
    t.match(answer, { status: 201, message: 'Made', headers: { 'x-pod': String(pod), 'set-cookie': ['a=1', 'b=2'] } })
    t.equal(answer.body, body.toString())
    t.equal(answer.headers['x-ws-operator-upstream-host'], sidecars[pod]?.name)
    t.match(seen[pod], {
      method: 'PUT',
      url: '/a%2Fb//../x?q=%zz',
      headers: {
        'ws-user-id': user,
        cookie: 'sid=1',
        host: `127.0.0.1:${balancer.port}`,
        'x-forwarded-for': '127.0.0.1',
      },
    })
    t.equal(seen[pod]?.headers['x-hop'], undefined)
    t.equal(seen[pod]?.headers['x-ws-operator-client-request'], undefined, 'a mark between our own programs')
  }
  t.equal(await balancer.metric('plain_requests_total', { result: 'passed' }), 2)
})

t.test('the app’s own /message is the app’s; nobody reaches the sidecars’ through the balancer', async t => {
  const bodies: string[] = []
  const app = await startHttp(t, (request, response) => {
    request.on('data', chunk => bodies.push(String(chunk)))
    request.on('end', () => response.end(`app: ${request.url}`))
  })
  const { balancer } = await startStack(t, [app])
  const answer = await ask(balancer.port, {
    method: 'POST',
    path: '/message',
    headers: { 'ws-user-id': 'bob' },
    body: Buffer.from('\x01hi'),
  })
  t.match(answer, { status: 200, body: 'app: /message' })
  t.strictSame(bodies, ['\x01hi'])
})

t.test('an offer of another protocol is not taken, and not passed on', async t => {
  const seen: IncomingMessage['headers'][] = []
  const app = await startHttp(t, (request, response) => {
    seen.push(request.headers)
    request.pipe(response)
  })
  const { balancer } = await startStack(t, [app])
  const headers = {
    Connection: 'Upgrade, HTTP2-Settings',
    Upgrade: 'h2c',
    'HTTP2-Settings': 'AAMAAABkAAQCAAAAAAIAAAAA',
  }
  t.match(await ask(balancer.port, { headers }), { status: 200, body: '' })
  t.match(await ask(balancer.port, { method: 'POST', headers, body: Buffer.from('hi') }), { status: 200, body: 'hi' })
  for (const { upgrade, 'http2-settings': settings } of seen)
    t.strictSame({ upgrade, settings }, { upgrade: undefined, settings: undefined })
  t.equal(await balancer.metric('upgrades_total', { result: 'refused' }), 0)
})

t.test('answers without a body, and chunked ones', async t => {
  const app = await startHttp(t, (request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': '5' }).end()
    else if (request.url === '/none') response.writeHead(204).end()
    else {
      response.write('one ')
      response.end('two')
    }
  })
  const { balancer } = await startStack(t, [app])
  t.match(await ask(balancer.port, { method: 'HEAD' }), { status: 200, headers: { 'content-length': '5' }, body: '' })
  t.match(await ask(balancer.port, { path: '/none' }), { status: 204, body: '' })
  t.match(await ask(balancer.port), { status: 200, headers: { 'transfer-encoding': 'chunked' }, body: 'one two' })
})

t.test('an app that is down: 502; one that says nothing: 504; one that breaks off: so does the answer', async t => {
  const silent = await startHttp(t, () => {})
  const breaking = await startHttp(t, (_request, response) => {
    response.writeHead(200, { 'Content-Length': '100' })
    response.write('a bit', () => response.destroy())
  })
  const down = await startStack(t, [{ port: 1 }])
  t.match(await ask(down.balancer.port), { status: 502, body: /WSO_ERR_UPSTREAM_UNREACHABLE/ })
  const quiet = await startStack(t, [silent], { sidecar: { PLAIN_HTTP_TIMEOUT_MS: 100 } })
  t.match(await ask(quiet.balancer.port), { status: 504, body: /WSO_ERR_UPSTREAM_TIMEOUT/ })
  t.equal(await quiet.sidecars[0]?.metric('plain_requests_total', { result: 'failed' }), 1)
  const broken = await startStack(t, [breaking])
  await t.rejects(ask(broken.balancer.port), { code: 'ECONNRESET' })
  t.match(await ask((await startStack(t, [])).balancer.port), { status: 503, headers: { 'retry-after': '1' } })
})

t.test('a kept connection that ends when it is used again costs nobody a request', async t => {
  const methods: string[] = []
  // It answers one request on each connection, says nothing of closing it, and ends it when the next one comes.
  const app = createTcpServer(socket => {
    let answered = false
    socket
      .on('error', () => {})
      .on('data', chunk => {
        methods.push(String(chunk).split(' ', 1)[0] as string)
        if (answered) socket.destroy()
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
        answered = true
      })
  }).listen(0, '127.0.0.1')
  await once(app, 'listening')
  t.teardown(() => app.close())
  const { balancer } = await startStack(t, [app.address() as AddressInfo])
  const headers = { 'ws-user-id': 'alice' }
  for (const expected of [1, 3, 4]) {
    t.match(await ask(balancer.port, { headers }), { status: 200, body: 'ok' })
    t.equal(methods.length, expected, 'sent again where its connection was one that was kept')
  }
  t.match(await ask(balancer.port, { method: 'POST' }), { status: 200, body: 'ok' })
  t.match(await ask(balancer.port, { method: 'PUT', body: Buffer.from('x') }), { status: 200, body: 'ok' })
  t.strictSame(methods.slice(4), ['POST', 'PUT'], 'what may change something is sent once, on a new connection')
})

t.test('an upload that nobody takes is answered all the same', async t => {
  const { balancer } = await startStack(t, [{ port: 1 }])
  const answer = await ask(balancer.port, { method: 'PUT', body: Buffer.alloc(20_000, 'x') })
  t.match(answer, { status: 502, body: /WSO_ERR_UPSTREAM_UNREACHABLE/ })
})

t.test('a client that leaves takes its request with it', async t => {
  let left = false
  const app = await startHttp(t, (request, response) => {
    response.write('begun')
    request.socket.on('close', () => {
      left = true
    })
  })
  const { balancer } = await startStack(t, [app])
  const socket = connectTcp(balancer.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await new Promise(resolve => socket.once('data', resolve))
  socket.destroy()
  await waitFor(() => left, 'the app sees it')
  t.ok(left)
})
