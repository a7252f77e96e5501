import t from 'tap'
import { startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { ask, askRaw, startHttp, startTcp } from '../helpers/plain.ts'
import { startStack } from '../helpers/stack.ts'

// Handshakes and requests that come from real clients and that most servers take.

const handshake = (fields: string) =>
  `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${fields}\r\n\r\n`

t.test('what a handshake offers is for the app to judge', async t => {
  const seen: (string | undefined)[] = []
  const judge = await startTcp(t, (socket, chunk) => {
    seen.push(/^Sec-WebSocket-Protocol: *(.*)$/im.exec(chunk.toString())?.[1])
    socket.end('HTTP/1.1 418 Judged\r\nContent-Length: 0\r\n\r\n')
  })
  const { balancer } = await startStack(t, [judge])
  const lists = ['', 'mqtt,', 'mqtt, , mqttv3.1', 'graphql-ws, graphql-ws', 'chat, dG9rZW4=', 'Bearer abc']
  for (const list of lists) {
    const answer = await askRaw(t, balancer.port, handshake(`Upgrade: websocket\r\nSec-WebSocket-Protocol: ${list}`))
    t.match(answer, /^HTTP\/1\.1 418 Judged/, list)
  }
  t.strictSame(seen, lists)
  for (const upgrade of ['Upgrade: websocket\r\nUpgrade: websocket', 'Upgrade: websocket, h2c', 'Upgrade: WebSocket,'])
    t.match(await askRaw(t, balancer.port, handshake(upgrade)), /^HTTP\/1\.1 418 Judged/, upgrade)
})

t.test('HTTP/1.0 without a Host, as health checks send it, gets the app’s answer', async t => {
  const hosts: (string | undefined)[] = []
  const app = await startHttp(t, (request, response) => {
    hosts.push(request.headers.host)
    response.end('well')
  })
  const { balancer, sidecars } = await startStack(t, [app])
  for (const head of ['OPTIONS / HTTP/1.0', 'GET / HTTP/1.0', 'GET / HTTP/1.0\r\nHost: a'])
    t.match(await askRaw(t, balancer.port, `${head}\r\n\r\n`), /^HTTP\/1\.1 200 [\s\S]*well$/, head)
  t.strictSame(hosts, [sidecars[0]?.name, sidecars[0]?.name, 'a'])
})

t.test('two Hosts: 400, for plain requests and handshakes, and the app sees nothing of them', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app])
  for (const text of [
    'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n',
    handshake('Upgrade: websocket\r\nhost: b'),
  ])
    t.match(await askRaw(t, balancer.port, text), /^HTTP\/1\.1 400 [\s\S]*WSO_ERR_BAD_HOST/)
  t.equal(app.handshakes.length, 0)
})

t.test('an answer that cannot be passed on: 502, and why', async t => {
  const answers: Record<string, [answer: string, reason: RegExp]> = {
    '/long': [
      `HTTP/1.1 200 OK\r\nX-Big: ${'b'.repeat(20_000)}\r\nContent-Length: 2\r\n\r\nok`,
      /more than 16384 bytes of head/,
    ],
    '/lengths': [
      'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok',
      /not valid HTTP\/1 \(.*Content-Length/,
    ],
    '/lines': ['HTTP/1.1 200 OK\nContent-Length: 2\n\nok', /not valid HTTP\/1 \(/],
  }
  const app = await startTcp(t, (socket, chunk) =>
    socket.write(answers[String(chunk).split(' ')[1] as string]?.[0] ?? ''),
  )
  const { balancer, sidecars } = await startStack(t, [app])
  for (const [path, [, reason]] of Object.entries(answers)) {
    const { status, body } = await ask(balancer.port, { path })
    t.match({ status, body }, { status: 502, body: /WSO_ERR_UPSTREAM_FAILED/ })
    const { message } = JSON.parse(body) as { message: string }
    t.match(message, reason)
    t.notMatch(message, /127\.0\.0\.1/, 'the upstream has a field of its own')
  }
  t.match(
    sidecars[0]?.logs.find(({ msg }) => msg === 'request failed'),
    { code: 'WSO_ERR_UPSTREAM_FAILED', upstream: `127.0.0.1:${app.port}`, err: undefined },
    'the log has the address',
  )
  const down = await startStack(t, [{ port: 1 }])
  t.notMatch((await ask(down.balancer.port)).body, /127\.0\.0\.1/)
  const larger = { MAX_HEADER_BYTES: 65_536 }
  const wide = await startStack(t, [app], { balancer: larger, sidecar: larger })
  t.match(
    await askRaw(t, wide.balancer.port, 'GET /long HTTP/1.0\r\n\r\n'),
    /^HTTP\/1\.1 200 [\s\S]*ok$/,
    'the limit has a setting',
  )
})

t.test('odd bytes and names in paths, queries and fields reach the app as they came, and hurt nobody', async t => {
  const paths: string[] = []
  const app = await startApp(t)
  app.http.on('request', (request, response) => {
    paths.push(request.url ?? '')
    response.end(request.headers['x-odd'] ?? JSON.stringify(request.rawHeaders.slice(-2)))
  })
  const env = { balancer: { ROUTING_KEY: 'query:user,cookie:__proto__' } }
  const { balancer } = await startStack(t, [app], env)
  const odd = [
    '/%FF',
    '/%FE/%ff',
    '/%00',
    '/?user=%FF',
    '/?__proto__=x&user=alice',
    '/__proto__/constructor',
    '/?user=__proto__',
  ]
  for (const path of odd) {
    t.match(await ask(balancer.port, { path, headers: { 'x-odd': 'y' } }), { status: 200, body: 'y' }, path)
    const client = await connect(t, balancer.port, { path })
    client.send('hello')
    await client.received(1)
    t.equal(app.handshakes.at(-1)?.url, path)
  }
  t.strictSame(paths, odd)
  const own = await askRaw(
    t,
    balancer.port,
    'GET / HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nconstructor: y\r\nConnection: close\r\n\r\n',
  )
  t.match(own, /^HTTP\/1\.1 200 /)
  t.match(await askRaw(t, balancer.port, 'GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'), /^HTTP\/1\.1 400 /)
  t.match(await askRaw(t, balancer.port, 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n'), /^HTTP\/1\.1 400 /)
  const closed = await startStack(t, [app], { balancer: { PLAIN_HTTP: 'refuse' } })
  for (const path of ['/%FF', '/%00', '/__proto__'])
    t.match(await ask(closed.balancer.port, { path }), { status: 426, body: /WSO_ERR_UPGRADE_REQUIRED/ }, path)
})
