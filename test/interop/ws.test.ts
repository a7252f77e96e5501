import { once } from 'node:events'
import { pipeline } from 'node:stream/promises'
import t from 'tap'
import { createWebSocketStream, WebSocket } from 'ws'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { LARGE_BYTES, largeBinary, sha256 } from './support.ts'

// https://github.com/websockets/ws, as the app and as the client.

t.test('8 MiB of binary pass both ways, whole and in fragments with pings in between', async t => {
  const sent = largeBinary()
  const app = await startApp(t, {
    onConnection: socket =>
      socket.on('message', (data: Buffer) => {
        for (let start = 0; start < data.length; start += 1_000_003) {
          const end = start + 1_000_003
          socket.send(data.subarray(start, end), { binary: true, fin: end >= data.length })
          socket.ping(`at ${start}`)
        }
      }),
  })
  const { balancer } = await startStack(t, [app])
  const client = await connect(t, balancer.port, { user: 'alice' })
  const pings: string[] = []
  client.socket.on('ping', data => pings.push(data.toString()))

  client.send(sent)
  await client.received(1)
  t.equal(sha256(app.received[0]?.data ?? Buffer.of()), sha256(sent), 'to the app')
  t.equal(sha256(client.messages[0]?.data ?? Buffer.of()), sha256(sent), 'and back in fragments')
  await waitFor(() => pings.length === 9, 'all pings are there')
  t.equal(pings[8], 'at 8000024')

  for (let start = 0; start < sent.length; start += 777_777) {
    const end = start + 777_777
    client.socket.send(sent.subarray(start, end), { fin: end >= sent.length })
    client.socket.ping()
  }
  await client.received(2)
  t.equal(sha256(app.received[1]?.data ?? Buffer.of()), sha256(sent), 'to the app in fragments')
  t.equal(sha256(client.messages[1]?.data ?? Buffer.of()), sha256(sent))
})

t.test('a stream over a WebSocket flows at the pace of its reader, and ends', async t => {
  const sent = largeBinary()
  const app = await startApp(t, {
    onConnection: socket => {
      const stream = createWebSocketStream(socket)
      pipeline(stream, stream).catch(() => {})
    },
  })
  const { balancer } = await startStack(t, [app])
  const { socket } = await connect(t, balancer.port, { user: 'alice' })
  socket.removeAllListeners('message')
  const stream = createWebSocketStream(socket, { readableHighWaterMark: 16_384 })
  const chunks: Buffer[] = []
  let bytes = 0
  const back = (async () => {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      chunks.push(chunk)
      bytes += chunk.length
      if (bytes === LARGE_BYTES) break
    }
  })()
  for (let start = 0; start < sent.length; start += 65_536) {
    if (!stream.write(sent.subarray(start, start + 65_536))) await once(stream, 'drain')
  }
  await back
  t.equal(sha256(Buffer.concat(chunks)), sha256(sent))
})

t.test("the app's own keepalive sees the client's own pongs, and drops a client that answers none", async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { CLIENT_PING_SECONDS: 0, CLIENT_IDLE_SECONDS: 0 } })
  const alive = await connect(t, balancer.port, { user: 'alice' })
  const silent = await connect(t, balancer.port, { user: 'bob', autoPong: false })
  let pongs = 0
  const answered = new WeakSet<WebSocket>()
  for (const socket of app.server.clients) {
    socket.on('pong', data => {
      if (data.toString() !== 'are you there?') return
      answered.add(socket)
      pongs++
    })
  }
  for (let round = 1; round <= 3; round++) {
    for (const socket of app.server.clients) socket.ping('are you there?')
    await waitFor(() => pongs === round, `pong ${round}`)
  }
  for (const socket of app.server.clients) if (!answered.has(socket)) socket.terminate()
  t.equal((await silent.closed).code, 1006)
  t.equal(alive.socket.readyState, WebSocket.OPEN)
  t.equal(pongs, 3, 'nobody on the way has answered for the silent one')
})

t.test('close codes and reasons arrive as they were sent, from either side', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app])
  const ends = [
    [1000, ''],
    [1001, 'going away'],
    [1003, 'unsupported'],
    [1011, 'größer als 🐠'],
    [1013, 'try again later'],
    [3000, 'registered'],
    [4999, 'x'.repeat(123)],
  ] as const
  for (const [code, reason] of ends) {
    const byClient = await connect(t, balancer.port, { user: 'alice' })
    const [atApp] = app.server.clients
    const seen = once(atApp as WebSocket, 'close')
    byClient.socket.close(code, reason)
    t.strictSame((await seen).map(String), [String(code), reason], `${code} of the client`)
    t.equal((await byClient.closed).code, code, 'and its echo')

    const byApp = await connect(t, balancer.port, { user: 'alice' })
    for (const socket of app.server.clients) socket.close(code, reason)
    t.strictSame(await byApp.closed, { code, reason }, `${code} of the app`)
    await waitFor(() => app.server.clients.size === 0, 'the app has none left')
  }
  const empty = await connect(t, balancer.port, { user: 'alice' })
  for (const socket of app.server.clients) socket.close()
  t.equal((await empty.closed).code, 1005, 'no code at all')
})

t.test('an abrupt end is an abrupt end at the other side', async t => {
  const app = await startApp(t)
  const { balancer, sidecars } = await startStack(t, [app])
  const first = await connect(t, balancer.port, { user: 'alice' })
  const [atApp] = app.server.clients
  const seen = once(atApp as WebSocket, 'close')
  first.socket.terminate()
  t.equal((await seen)[0], 1006)
  const second = await connect(t, balancer.port, { user: 'alice' })
  for (const socket of app.server.clients) socket.terminate()
  t.equal((await second.closed).code, 1006)
  for (const program of [balancer, ...sidecars])
    await waitFor(async () => (await program.metric('connections')) === 0, 'nothing is left of them')
})

t.test('sub-protocols are chosen by the app; compression is offered by both and not agreed on', async t => {
  const app = await startApp(t, {
    options: { perMessageDeflate: { threshold: 0 }, handleProtocols: offered => [...offered].at(-1) ?? false },
  })
  const { balancer } = await startStack(t, [app])
  const client = await connect(t, balancer.port, {
    user: 'alice',
    protocols: ['graphql-ws', 'v2.json'],
    perMessageDeflate: true,
  })
  t.equal(client.socket.protocol, 'v2.json')
  t.equal(client.socket.extensions, '')
  client.send('a'.repeat(10_000))
  await client.received(1)
  t.equal(client.texts[0], 'a'.repeat(10_000))
})

t.test("the app's refusal reaches the client with its status, headers and body", async t => {
  const app = await startApp(t, {
    refuse: { status: 401, headers: { 'WWW-Authenticate': 'Bearer realm="chat"' }, body: 'who are you?' },
  })
  const { balancer } = await startStack(t, [app])
  const { status, headers, body } = await refusal(t, balancer.port, { user: 'alice' })
  t.strictSame([status, headers['www-authenticate'], body], [401, 'Bearer realm="chat"', 'who are you?'])
})
