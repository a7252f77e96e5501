import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { type Connection, connect, dialAgain, startApp, startChain, TIMES } from './chain.ts'

/** A client that has said nothing for two seconds is gone, unless there are other signs of life. */
const HASTY = { CLIENT_PING_SECONDS: '1', CLIENT_IDLE_SECONDS: '2' }
/** More than fits into the queues of all kernels on the way. */
const LARGE_BYTES = 48 << 20

t.test('a client that is being sent one large message is not idle', async t => {
  const app = await startApp(t, 'a')
  const chain = await startChain(t, app, false, { ...HASTY, MAX_PAYLOAD_BYTES: String(LARGE_BYTES) })
  const { socket, received, closes } = await connect(t, chain.url)
  const stream = (socket as unknown as { _socket: NodeJS.ReadableStream })._socket
  const began = performance.now()
  for (const peer of app.sockets) peer.send(Buffer.alloc(LARGE_BYTES))
  while (received.length === 0 && closes.length === 0) {
    // A piece of it, and then nothing for a moment.
    stream.pause()
    await sleep(120)
    stream.resume()
    await new Promise(setImmediate)
  }
  t.equal(chain.connections[0]?.bridge.state, 'open')
  t.ok(performance.now() - began > 3000, 'it took longer than a silent client is waited for')
})

t.test('the upstream gets no ping of another kind while it is asked whether it has answered all', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a', { autoPong: false }), startApp(t, 'b')])
  const chain = await startChain(t, a, false, { UPSTREAM_PING_SECONDS: '1' })
  const { socket } = await connect(t, chain.url)
  const pongs: string[] = []
  socket.on('pong', data => pongs.push(data.toString()))
  for (const peer of a.sockets) peer.on('ping', data => setTimeout(() => peer.pong(data), 1500))
  const connection = chain.connections[0] as Connection
  const began = performance.now()
  t.equal(await connection.bridge.handOver(await dialAgain(connection, b), TIMES), 'moved')
  t.ok(performance.now() - began < TIMES.fenceMs / 2, 'its answer was seen')
  t.strictSame(a.pings, ['farewell'])
  t.strictSame(pongs, [])
})
