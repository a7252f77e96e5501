import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import t from 'tap'
import { WebSocket } from 'ws'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

// Each limit is reached once, and what happens there is told and counted.

t.test('as many connections as allowed; the next gets 503, and a place that is given up is free', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { MAX_CONNECTIONS: 2, EXPOSE_TOPOLOGY: 'true' } })
  const first = await connect(t, balancer.port, { user: 'a' })
  await connect(t, balancer.port, { user: 'b' })
  const refused = await refusal(t, balancer.port, { user: 'c' })
  t.equal(refused.status, 503)
  t.match(refused.body, /WSO_ERR_FULL.*\(2\)/)
  t.equal(refused.headers['retry-after'], '1')
  t.equal(await balancer.metric('rejected_total', { reason: 'full' }), 1)
  t.equal(app.handshakes.length, 2, 'the app was not asked')
  first.socket.close()
  await first.closed
  await waitFor(async () => (await balancer.metric('connections')) === 1, 'the place is free')
  await connect(t, balancer.port, { user: 'c' })
})

t.test('a head above the limit: 431', async t => {
  const { balancer } = await startStack(t, [await startApp(t)], { balancer: { MAX_HEADER_BYTES: 1024 } })
  const refused = await refusal(t, balancer.port, { user: 'a', headers: { 'X-Long': 'x'.repeat(2000) } })
  t.equal(refused.status, 431)
  t.equal(await balancer.metric('rejected_total', { reason: 'header_too_large' }), 1)
})

t.test('a client that does not finish its handshake: 408', async t => {
  const { balancer } = await startStack(t, [await startApp(t)], { balancer: { HANDSHAKE_TIMEOUT_MS: 100 } })
  const socket = connectTcp(balancer.port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const [answer] = await once(socket, 'data')
  t.match(String(answer), /^HTTP\/1\.1 408 /)
  t.equal(await balancer.metric('rejected_total', { reason: 'handshake_timeout' }), 1)
})

t.test('a connection that is reset is no handshake that was refused', async t => {
  const { balancer } = await startStack(t, [await startApp(t)])
  const reset = connectTcp(balancer.port, '127.0.0.1')
  await once(reset, 'connect')
  const gone = new Promise(resolve => balancer.service.app.server.once('clientError', resolve))
  reset.resetAndDestroy()
  t.match(await gone, { code: 'ECONNRESET' })
  t.equal(await balancer.metric('upgrades_total', { result: 'refused' }), 0)
  const bad = connectTcp(balancer.port, '127.0.0.1')
  bad.write('what is this\r\n\r\n')
  await once(bad, 'data')
  t.equal(await balancer.metric('rejected_total', { reason: 'bad_request' }), 1)
})

t.test('a message above the limit is counted as the end of its connection', async t => {
  const { balancer } = await startStack(t, [await startApp(t)], { balancer: { MAX_PAYLOAD_BYTES: 100 } })
  const client = await connect(t, balancer.port, { user: 'a' })
  client.send('x'.repeat(101))
  t.strictSame(await client.closed, { code: 1009, reason: 'message too big' })
  await waitFor(async () => (await balancer.metric('closed_total', { cause: 'too_big' })) === 1, 'it is counted')
})

t.test('a message from the app above the limit: both ends are told', async t => {
  const ends: number[] = []
  const app = await startApp(t, { onConnection: socket => socket.send('x'.repeat(101)) })
  app.server.on('connection', socket => socket.on('close', code => ends.push(code)))
  const { balancer } = await startStack(t, [app], { balancer: { MAX_PAYLOAD_BYTES: 100 } })
  const client = await connect(t, balancer.port, { user: 'a' })
  t.equal((await client.closed).code, 1009)
  await waitFor(() => ends.length === 1, 'the app is told')
  t.strictSame(ends, [1009])
})

t.test(
  'a client from which nothing comes gets pings; one that answers stays, and its app does not see the pongs',
  async t => {
    const pongs: string[] = []
    const app = await startApp(t, { onConnection: socket => socket.on('pong', data => pongs.push(String(data))) })
    const { balancer } = await startStack(t, [app], { balancer: { CLIENT_PING_SECONDS: 1, CLIENT_IDLE_SECONDS: 3 } })
    const quiet = await connect(t, balancer.port, { user: 'quiet' })
    const vanished = await connect(t, balancer.port, { user: 'vanished', autoPong: false })
    let pings = 0
    quiet.socket.on('ping', () => pings++)
    t.strictSame(await vanished.closed, { code: 1001, reason: 'idle timeout' }, 'one that does not is given up')
    await waitFor(async () => (await balancer.metric('closed_total', { cause: 'idle' })) === 1, 'which is counted')
    await waitFor(() => pings >= 3, 'the other one was asked again and again')
    t.equal(quiet.socket.readyState, WebSocket.OPEN)
    t.strictSame(pongs, [])
    // The app's own pings are still answered by the client, end to end.
    const inside = [...app.server.clients].at(0)
    inside?.ping('the app asks')
    await waitFor(() => pongs.length === 1, 'its answer passes')
    t.strictSame(pongs, ['the app asks'])
  },
)

t.test('an upstream from which nothing comes can be given up too', async t => {
  const app = await startApp(t, { options: { autoPong: false }, onConnection: () => {} })
  const { balancer } = await startStack(t, [app], { balancer: { UPSTREAM_PING_SECONDS: 1, UPSTREAM_IDLE_SECONDS: 2 } })
  const client = await connect(t, balancer.port, { user: 'a' })
  t.strictSame(await client.closed, { code: 1001, reason: 'idle timeout' })
  await waitFor(async () => (await balancer.metric('closed_total', { cause: 'idle' })) === 1, 'it is counted')
})

t.test('one that answers pings stays, and its client knows nothing of them', async t => {
  let pings = 0
  const app = await startApp(t, { onConnection: socket => socket.on('ping', () => pings++) })
  const { balancer } = await startStack(t, [app], { balancer: { UPSTREAM_PING_SECONDS: 1, UPSTREAM_IDLE_SECONDS: 3 } })
  const client = await connect(t, balancer.port, { user: 'a' })
  let seen = 0
  client.socket.on('ping', () => seen++).on('pong', () => seen++)
  await waitFor(() => pings >= 5, 'it is asked for longer than it may be silent')
  t.equal(client.socket.readyState, WebSocket.OPEN)
  t.equal(seen, 0)
})

t.test('a client that does not read for too long is closed with 1013; nobody’s memory grows for it', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const { balancer } = await startStack(t, [app], { balancer: { SLOW_CONSUMER_SECONDS: 1, MAX_QUEUE_BYTES: 65_536 } })
  const client = await connect(t, balancer.port, { user: 'a' })
  client.socket.pause()
  const inside = [...app.server.clients][0] as WebSocket
  for (let n = 0; n < 400; n++) inside.send(Buffer.alloc(65_536))
  await waitFor(
    async () => (await balancer.metric('closed_total', { cause: 'slow_consumer' })) + inside.readyState > 2,
    'it is given up',
  )
  client.socket.resume()
  t.strictSame(await client.closed, { code: 1013, reason: 'slow consumer' })
  await waitFor(async () => (await balancer.metric('closed_total', { cause: 'slow_consumer' })) === 1, 'it is counted')
})

t.test('a handshake that is refused for a while says when to come again', async t => {
  const { balancer } = await startStack(t, [])
  const { status, headers } = await refusal(t, balancer.port, { user: 'a' })
  t.equal(status, 503)
  t.equal(headers['retry-after'], '1')
})

t.test(
  'a refused client that goes on sending keeps its connection for some seconds, and nobody’s end waits for it',
  async t => {
    const { balancer } = await startStack(t, [await startApp(t)])
    const refuse = async () => {
      const client = connectTcp({ host: '127.0.0.1', port: balancer.port, allowHalfOpen: true })
      client.on('error', () => {})
      t.teardown(() => client.destroy())
      client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      t.match(String((await once(client, 'data'))[0]), /^HTTP\/1\.1 426 /)
      return client
    }
    const trickling = await refuse()
    const sending = setInterval(() => trickling.write('x'), 100)
    t.teardown(() => clearInterval(sending))
    await waitFor(() => trickling.destroyed, 'it is cut off')
    await refuse()
    await balancer.service.drain(Date.now() + 60_000)
    await balancer.service.app.close()
    t.equal(balancer.service.app.server.listening, false)
  },
)
