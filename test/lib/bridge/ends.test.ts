import { once } from 'node:events'
import { connect as dialTcp } from 'node:net'
import t from 'tap'
import { encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { nextMask } from '../../../lib/websocket/mask.ts'
import type { Scope } from '../../helpers/stack.ts'
import { type Connection, connect, dialAgain, handOver, startApp, startChain, TIMES, until } from './chain.ts'

/** Well below the time after which what is left of a connection is cut off. */
const SOON_MS = 3000

/** A client that answers a close frame, and waits for the server to end the connection (RFC 6455 §7.1.1), as browsers do. */
async function connectPatient(t: Scope, url: string): Promise<{ ended: Promise<unknown> }> {
  const socket = dialTcp({ port: Number(new URL(url).port), host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.write(
    'GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  )
  await once(socket, 'data')
  socket.on('data', (frame: Buffer) => {
    if (((frame[0] as number) & 15) === OPCODE.CLOSE)
      socket.write(encodeFrame(OPCODE.CLOSE, frame.subarray(2), nextMask()))
  })
  return { ended: once(socket, 'end') }
}

t.test('an orphan that is closed: what the client answers is read, and its connection ends', async t => {
  const a = await startApp(t, 'a')
  const chain = await startChain(t, a, true)
  const { ended } = await connectPatient(t, chain.url)
  await until(() => a.sockets.size === 1)
  for (const upstream of a.sockets) upstream.terminate()
  await until(() => chain.losses.length === 1)
  const { bridge } = chain.connections[0] as Connection
  const began = performance.now()
  bridge.close('rehome', 1012, 'service restart')
  await ended
  t.ok(performance.now() - began < SOON_MS)
})

t.test('an upstream that ends without a close frame ends the connection, however long the client stays', async t => {
  const a = await startApp(t, 'a')
  for (const keep of [false, true]) {
    const chain = await startChain(t, a, keep)
    const { ended } = await connectPatient(t, chain.url)
    await until(() => a.sockets.size === 1)
    const { bridge } = chain.connections[0] as Connection
    for (const upstream of a.sockets) upstream.terminate()
    await until(() => chain.losses.length === 1)
    if (keep) {
      t.equal(bridge.state, 'open', 'it may get another upstream')
      bridge.giveUp()
    }
    await ended
    t.equal(bridge.state, 'closing', 'nobody delivers anything on it')
    bridge.terminate()
    await bridge.closed
    t.match(chain.ends, [{ cause: 'upstream', code: 1006 }], 'that is how it has ended')
  }
})

t.test('what a client sends after it was told to go is not kept', async t => {
  const a = await startApp(t, 'a')
  const chain = await startChain(t, a, true)
  const { socket } = await connect(t, chain.url)
  for (const upstream of a.sockets) upstream.terminate()
  await until(() => chain.losses.length === 1)
  const { bridge } = chain.connections[0] as Connection
  // It does not hear that it is to go.
  socket.pause()
  bridge.close('rehome', 1012, 'service restart')
  const [end] = chain.accepted
  const began = end?.bytesRead ?? 0
  const before = process.memoryUsage().arrayBuffers
  const chunk = Buffer.alloc(1 << 20)
  for (let n = 0; n < 64; n++) socket.send(chunk)
  await until(() => (end?.bytesRead ?? 0) - began > 60 << 20)
  t.ok(process.memoryUsage().arrayBuffers - before < 100 << 20, 'only the sender still has it')
  t.equal(bridge.queuedBytes('upstream'), 0)
})

t.test('an app that closes a connection that is being moved sees the client’s answer at once', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a', { autoPong: false }), startApp(t, 'b')])
  const chain = await startChain(t, a)
  const { socket, closes } = await connect(t, chain.url)
  const connection = chain.connections[0] as Connection
  const moved = connection.bridge.handOver(await dialAgain(connection, b), TIMES)
  await until(() => a.pings.length === 1)
  const began = performance.now()
  for (const upstream of a.sockets) upstream.close(4000, 'bye')
  t.equal(await moved, 'gone')
  await once(socket, 'close')
  await until(() => a.closes.length === 1)
  t.ok(performance.now() - began < SOON_MS)
  t.strictSame([closes, a.closes], [[4000], [4000]])
})

t.test('late answers to a client that does not read wait at the app, not here', async t => {
  const [a, b] = await Promise.all([startApp(t, 'a'), startApp(t, 'b')])
  const chain = await startChain(t, a)
  const { socket } = await connect(t, chain.url)
  const connection = chain.connections[0] as Connection
  const [old] = a.sockets
  t.equal(await handOver(connection, b, { ...TIMES, lingerMs: 5000 }), 'moved')
  socket.pause()
  const message = Buffer.alloc(60_000)
  let most = 0
  for (let n = 0; n < 500; n++) {
    old?.send(message)
    await new Promise(setImmediate)
    most = Math.max(most, connection.bridge.queuedBytes('client'))
  }
  await until(() => old!.bufferedAmount > 0)
  t.ok(most < 2_000_000, `at most ${most} bytes waited here`)
})
