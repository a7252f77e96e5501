import { once } from 'node:events'
import { connect as connectTcp, createServer } from 'node:net'
import t from 'tap'
import type { RawData, WebSocket } from 'ws'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { EXPOSED, membersFile, type Running, startBalancer, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

// The whole chain (balancer, sidecar, app) must look like the app itself.

t.test('path, query, headers and cookies reach the app; what belongs to one hop or is forged does not', async t => {
  const app = await startApp(t)
  const { balancer, sidecars } = await startStack(t, [app], EXPOSED)
  const client = await connect(t, balancer.port, {
    user: 'alice',
    path: '/rooms/a%2Fb//x/../y?q=1&q=%zz&sp=a+b',
    origin: 'https://example.org',
    headers: {
      Cookie: 'sid=1; theme="dark"',
      Authorization: 'Bearer secret',
      'X-Twice': ['one', 'two'],
      'Proxy-Connection': 'keep-alive',
      'X-Forwarded-For': '203.0.113.9',
    },
  })
  const seen = app.handshakes[0]
  t.equal(seen?.url, '/rooms/a%2Fb//x/../y?q=1&q=%zz&sp=a+b', 'byte for byte')
  t.equal(seen?.headers.cookie, 'sid=1; theme="dark"')
  t.equal(seen?.headers.authorization, 'Bearer secret')
  t.equal(seen?.headers.origin, 'https://example.org')
  t.equal(seen?.headers['x-twice'], 'one, two')
  t.equal(seen?.headers.host, `127.0.0.1:${balancer.port}`, 'the Host that the client asked for')
  t.equal(seen?.headers['ws-user-id'], 'alice')
  t.equal(seen?.headers['proxy-connection'], undefined)
  t.equal(seen?.headers['x-forwarded-for'], '203.0.113.9, 127.0.0.1')
  t.equal(seen?.headers['x-forwarded-proto'], 'http')
  t.equal(seen?.headers['sec-websocket-extensions'], undefined, 'no compression is offered')
  t.equal(client.response.headers['x-ws-operator-instance'], `sidecar-${sidecars[0]?.port}`)
  t.equal(client.response.headers['x-ws-operator-proxy-instance'], `balancer-${balancer.port}`)
  t.equal(client.response.headers['x-ws-operator-upstream-host'], sidecars[0]?.name)
})

t.test('proxies before us: each field that says so has one value, and ours is the last in it', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app])
  await connect(t, balancer.port, { user: 'alice', headers: { Forwarded: ['for=203.0.113.9;proto=https', 'for=_b'] } })
  await connect(t, balancer.port, { user: 'bob' })
  const [alice, bob] = app.handshakes
  const own = `for=127.0.0.1;host="127.0.0.1:${balancer.port}";proto=http`
  t.strictSame(alice?.headersDistinct['forwarded'], [`for=203.0.113.9;proto=https, for=_b, ${own}`])
  t.strictSame(alice?.headersDistinct['x-forwarded-for'], ['127.0.0.1'])
  t.equal(bob?.headers.forwarded, undefined, 'who does not use it is not sent it')
})

t.test('a client’s own claim of what is between us reaches neither sidecar nor app', async t => {
  const claims = {
    'ws-user-id': 'mallory',
    'X-Ws-Operator-Client-Request': 'forged',
    'X-Ws-Operator-Control': 'Zm9yZ2VkIHNlY3JldCEhIQ',
    'X-Ws-Operator-Arriving': 'forged',
    ws_user_id: 'mallory',
    X_Forwarded_For: '203.0.113.9',
  }
  const asSidecar = await startApp(t)
  const ROUTING_KEY = 'query:user'
  const members = await membersFile(`127.0.0.1:${asSidecar.port}`)
  const before = await startBalancer(t, members, { ROUTING_KEY })
  await connect(t, before.port, { path: '/?user=alice', headers: claims })
  const seen = asSidecar.handshakes[0]?.headersDistinct ?? {}
  t.strictSame(seen['ws-user-id'], ['alice'])
  t.strictSame(seen['x-ws-operator-client-request'], ['true'])
  t.equal(seen['x-ws-operator-control']?.length, 1)
  t.strictNotSame(seen['x-ws-operator-control'], [claims['X-Ws-Operator-Control']], 'it is the balancer’s own')
  t.equal(seen['x-ws-operator-arriving'], undefined)
  t.match(Object.keys(seen).join(), /^[^_]*$/, 'nor under a name that an app may take for the same')

  const app = await startApp(t)
  const { balancer, sidecars } = await startStack(t, [app], { balancer: { ROUTING_KEY } })
  const [sidecar] = sidecars as [Running]
  await connect(t, balancer.port, { path: '/?user=alice', headers: claims })
  t.match(
    sidecar.logs.filter(({ msg }) => msg === 'connected'),
    [{ user: 'alice', arriving: false }],
  )
  const own = { ...claims, 'ws-user-id': 'alice', ws_user_id: 'alice' }
  await connect(t, sidecar.port, { path: '/?user=alice', headers: own })
  for (const { headers } of app.handshakes)
    t.strictSame(
      Object.keys(headers).filter(name => name.startsWith('x-ws-operator-')),
      [],
    )
})

t.test('headers that the app sets on the handshake reach the client', async t => {
  const app = await startApp(t)
  app.server.on('headers', lines => lines.push('Set-Cookie: a=1', 'Set-Cookie: b=2', 'X-App: yes'))
  const { balancer } = await startStack(t, [app])
  const { response } = await connect(t, balancer.port, { user: 'alice' })
  t.strictSame(response.headers['set-cookie'], ['a=1', 'b=2'])
  t.equal(response.headers['x-app'], 'yes')
})

t.test('the user comes from the routing key, and a client cannot forge another one', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { ROUTING_KEY: 'query:user' } })
  await connect(t, balancer.port, { path: '/?user=zo%C3%AB%20%F0%9F%90%A0', headers: { 'ws-user-id': 'mallory' } })
  t.equal(Buffer.from(app.handshakes[0]?.headers['ws-user-id'] as string, 'latin1').toString('utf8'), 'zoë 🐠')
  await connect(t, balancer.port, { headers: { 'ws-user-id': 'mallory' } })
  t.equal(app.handshakes[1]?.headers['ws-user-id'], undefined)
})

t.test('a handshake without a user is refused where that is configured, and a bad one is none', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { ON_MISSING_KEY: 'reject' } })
  t.match(await refusal(t, balancer.port), { status: 400, body: /WSO_ERR_MISSING_KEY.*header:ws-user-id,query:user/ })
  t.match(await refusal(t, balancer.port, { path: '/?user=a%0Ab' }), { status: 400, body: /WSO_ERR_MISSING_KEY/ })
  t.equal(app.handshakes.length, 0)
  t.equal(await balancer.metric('rejected_total', { reason: 'missing_key' }), 2)
  t.equal(await balancer.metric('upgrades_total', { result: 'refused' }), 2)
})

t.test('the app chooses the sub-protocol, or none', async t => {
  const app = await startApp(t, { options: { handleProtocols: offered => (offered.has('v2') ? 'v2' : false) } })
  const { balancer } = await startStack(t, [app])
  const chosen = await connect(t, balancer.port, { user: 'alice', protocols: ['v1', 'v2'] })
  t.equal(chosen.socket.protocol, 'v2')
  t.equal(app.handshakes[0]?.headers['sec-websocket-protocol'], 'v1,v2')
  // `ws` as a client fails when none is chosen, so this one is asked by hand.
  const answer = await rawHandshake(balancer.port, ['Sec-WebSocket-Protocol: v1'])
  t.match(answer, /^HTTP\/1\.1 101 /)
  t.notMatch(answer, /sec-websocket-protocol/i)
})

t.test('a refusal reaches the client with the app’s status, headers and body', async t => {
  const body = 'x'.repeat(20_000)
  const app = await startApp(t, {
    refuse: { status: 403, headers: { 'X-Why': 'banned', 'Set-Cookie': ['a=1', 'b=2'] }, body },
  })
  const { balancer } = await startStack(t, [app], EXPOSED)
  t.match(await refusal(t, balancer.port, { user: 'alice' }), {
    status: 403,
    headers: {
      'x-why': 'banned',
      'set-cookie': ['a=1', 'b=2'],
      'x-ws-operator-proxy-instance': `balancer-${balancer.port}`,
    },
    body,
  })
  t.equal(await balancer.metric('rejected_total', { reason: 'upstream' }), 1)
})

t.test('an app that is down: 502, never a 101', async t => {
  const { balancer } = await startStack(t, [{ port: await closedPort() }])
  t.match(await refusal(t, balancer.port, { user: 'alice' }), { status: 502, body: /WSO_ERR_UPSTREAM_UNREACHABLE/ })
})

t.test('an app that does not answer the handshake: 504', async t => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => silent.close())
  const { port } = silent.address() as { port: number }
  const { balancer, sidecars } = await startStack(t, [{ port }], { sidecar: { HANDSHAKE_TIMEOUT_MS: 50 } })
  t.match(await refusal(t, balancer.port, { user: 'alice' }), {
    status: 504,
    body: /WSO_ERR_UPSTREAM_TIMEOUT.*did not answer in time/,
  })
  t.equal(await sidecars[0]?.metric('rejected_total', { reason: 'upstream_timeout' }), 1)
  t.equal(await balancer.metric('rejected_total', { reason: 'upstream' }), 1, 'to the balancer it is an answer')
})

t.test('no member: 503', async t => {
  const { balancer } = await startStack(t, [])
  t.match(await refusal(t, balancer.port, { user: 'alice' }), { status: 503, body: /WSO_ERR_NO_OWNER/ })
})

t.test('handshakes that are none are refused before anybody is dialled', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app])
  const cases: [string[], RegExp][] = [
    [['Sec-WebSocket-Version: 8'], /^HTTP\/1\.1 426 [\s\S]*sec-websocket-version: 13/i],
    [['Sec-WebSocket-Key: short'], /^HTTP\/1\.1 400 /],
  ]
  for (const [lines, expected] of cases) t.match(await rawHandshake(balancer.port, lines), expected, lines.join())
  t.equal(app.handshakes.length, 0)
})

t.test('plain HTTP requests get 426 where they are not to pass', async t => {
  const refuse = { PLAIN_HTTP: 'refuse' }
  const { balancer, sidecars } = await startStack(t, [await startApp(t)], { balancer: refuse, sidecar: refuse })
  for (const port of [balancer.port, sidecars[0]?.port]) {
    for (const [method, path] of [
      ['GET', '/'],
      ['GET', '/some/path'],
      ['POST', '/'],
      ['DELETE', '/x'],
    ] as const) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method })
      t.equal(answer.status, 426, `${method} ${path}`)
      t.match(await answer.json(), { error: 'WSO_ERR_UPGRADE_REQUIRED' })
    }
  }
})

t.test('what the app says at once, in the same packet as its answer, is not lost', async t => {
  const app = await startApp(t, { onConnection: socket => socket.send('welcome') })
  const { balancer } = await startStack(t, [app])
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => connect(t, balancer.port, { user: `u${n}` })))
  for (const client of clients) {
    await client.received(1)
    t.equal(client.texts[0], 'welcome')
  }
})

t.test('what the client says with its handshake, before it is accepted, is not lost', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app])
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x68, 0x69])
  await rawHandshake(balancer.port, [], frame)
  await waitFor(() => app.received.length === 1, 'the message is there')
  t.equal(app.received[0]?.data.toString(), 'hi')
})

t.test('close codes and reasons pass both ways', async t => {
  const app = await startApp(t, {
    onConnection: socket =>
      socket.on('message', (data: RawData) => {
        const [code, reason] = String(data).split(' ', 2)
        if (code === 'none') socket.close()
        else socket.close(Number(code), reason)
      }),
  })
  const ends: { code: number; reason: string }[] = []
  app.server.on('connection', socket =>
    socket.on('close', (code, reason) => ends.push({ code, reason: String(reason) })),
  )
  const { balancer } = await startStack(t, [app])
  for (const [code, reason] of [
    [1000, ''],
    [1001, 'moving'],
    [1003, 'x'],
    [1011, 'ürgh'],
    [3000, 'app'],
    [4999, 'r'.repeat(123)],
  ] as const) {
    const byApp = await connect(t, balancer.port, { user: 'alice' })
    byApp.send(`${code} ${reason}`)
    t.strictSame(await byApp.closed, { code, reason }, `the app closes with ${code}`)
    ends.length = 0
    const byClient = await connect(t, balancer.port, { user: 'alice' })
    byClient.socket.close(code, reason)
    await waitFor(() => ends.length === 1, 'the app sees the close')
    t.strictSame(ends[0], { code, reason }, `the client closes with ${code}`)
  }
  const bare = await connect(t, balancer.port, { user: 'alice' })
  bare.send('none')
  t.strictSame(await bare.closed, { code: 1005, reason: '' }, 'a close without a code stays one')
})

t.test('an abrupt end stays abrupt, on both sides', async t => {
  const app = await startApp(t, { onConnection: socket => socket.on('message', () => socket.terminate()) })
  const { balancer, sidecars } = await startStack(t, [app])
  const a = await connect(t, balancer.port, { user: 'alice' })
  a.send('die')
  t.equal((await a.closed).code, 1006)
  const b = await connect(t, balancer.port, { user: 'bob' })
  await waitFor(() => app.server.clients.size === 1, 'one is left')
  b.socket.terminate()
  await waitFor(() => app.server.clients.size === 0, 'a client that vanished leaves nothing behind at the app')
  await waitFor(
    async () => (await balancer.metric('connections')) + ((await sidecars[0]?.metric('connections')) ?? 0) === 0,
    'nor in between',
  )
})

for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
  t.test(
    `a client that leaves (${leave}) while the app takes its time with the handshake leaves nothing behind`,
    async t => {
      let answer = () => {}
      const app = await startApp(t, {
        options: {
          verifyClient: (_info: unknown, done: (ok: boolean) => void) => {
            answer = () => done(true)
          },
        },
      })
      const { balancer, sidecars } = await startStack(t, [app])
      const socket = connectTcp(balancer.port, '127.0.0.1')
      t.teardown(() => socket.destroy())
      socket.write(
        'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
      )
      await waitFor(() => app.handshakes.length === 1, 'the app is asked')
      socket[leave]()
      // The end has to be at the balancer before the answer: a handshake of somebody else, made after it, is behind it.
      const other = connectTcp(balancer.port, '127.0.0.1')
      t.teardown(() => other.destroy())
      other.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      await once(other, 'data')
      answer()
      await waitFor(async () => {
        const open = await Promise.all([balancer, ...sidecars].map(program => program.metric('connections')))
        return open.every(count => count === 0) && app.server.clients.size === 0
      }, 'nobody keeps the connection')
      t.equal(app.server.clients.size, 0)
    },
  )
}

t.test('pings and pongs pass from end to end; nobody in between answers', async t => {
  const pings: string[] = []
  const app = await startApp(t, {
    options: { autoPong: false },
    onConnection: socket =>
      socket.on('ping', (data: Buffer) => {
        pings.push(String(data))
        socket.pong('from the app')
      }),
  })
  const { balancer } = await startStack(t, [app])
  const client = await connect(t, balancer.port, { user: 'alice' })
  client.socket.ping('are you there')
  const [pong] = await once(client.socket, 'pong')
  t.equal(String(pong), 'from the app')
  t.strictSame(pings, ['are you there'])
  const answered = once([...app.server.clients][0] as WebSocket, 'pong')
  ;[...app.server.clients][0]?.ping('and you')
  t.equal(String((await answered)[0]), 'and you')
})

t.test('a message above the limit closes with 1009, and the app is told', async t => {
  const ends: number[] = []
  const app = await startApp(t)
  app.server.on('connection', socket => socket.on('close', code => ends.push(code)))
  const { balancer } = await startStack(t, [app], {
    balancer: { MAX_PAYLOAD_BYTES: 1000 },
    sidecar: { MAX_PAYLOAD_BYTES: 1000 },
  })
  const client = await connect(t, balancer.port, { user: 'alice' })
  client.send('x'.repeat(1000))
  await client.received(1)
  client.send('x'.repeat(1001))
  t.equal((await client.closed).code, 1009)
  await waitFor(() => ends.length === 1, 'the app sees it')
  t.strictSame(ends, [1009])
})

for (const direction of ['to the app', 'to the client'] as const) {
  t.test(`a slow reader slows the writer down, ${direction}; nothing is lost`, async t => {
    const count = 400
    const chunk = Buffer.alloc(64 * 1024, 'x')
    const app = await startApp(t, { onConnection: () => {} })
    const limits = { MAX_QUEUE_BYTES: 65_536 }
    const { balancer, sidecars } = await startStack(t, [app], { balancer: limits, sidecar: limits })
    const client = await connect(t, balancer.port, { user: 'alice' })
    const inside = [...app.server.clients][0] as WebSocket
    const [reader, writer] = direction === 'to the app' ? [inside, client.socket] : [client.socket, inside]
    let received = 0
    reader.on('message', (data: Buffer) => {
      received += data.length
    })
    reader.pause()
    for (let n = 0; n < count; n++) writer.send(chunk)
    // 25 MiB cannot be in the few kernel buffers on the way: it waits at the writer, not in our memory.
    const total = count * chunk.length
    let last = -1
    await waitFor(() => {
      const stalled = writer.bufferedAmount === last
      last = writer.bufferedAmount
      return stalled && last > 0
    }, 'the writer cannot write any more')
    const queues = await Promise.all(
      [balancer, sidecars[0]].flatMap(program =>
        ['client', 'upstream'].map(side => program?.metric('queue_bytes', { side })),
      ),
    )
    t.ok(Math.max(...queues.map(Number)) <= 65_536 + 2 * chunk.length, `queues are bounded: ${queues.join()}`)
    reader.resume()
    await waitFor(() => received === total, 'all of it arrives')
  })
}

/** Sends a handshake byte by byte as given, and resolves with the answer's head. Headers given replace the usual ones. */
async function rawHandshake(port: number, lines: string[], rest = Buffer.alloc(0)): Promise<string> {
  const given = new Set(lines.map(line => line.slice(0, line.indexOf(':')).toLowerCase()))
  const usual = [
    `Host: 127.0.0.1:${port}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  ].filter(line => !given.has(line.slice(0, line.indexOf(':')).toLowerCase()))
  const socket = connectTcp(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  socket.write(Buffer.concat([Buffer.from(`GET / HTTP/1.1\r\n${[...usual, ...lines].join('\r\n')}\r\n\r\n`), rest]))
  let text = ''
  socket.on('data', data => {
    text += data.toString('latin1')
  })
  await waitFor(() => text.includes('\r\n\r\n'), 'an answer')
  return text
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
