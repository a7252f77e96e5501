import { once } from 'node:events'
import { connect as dialTcp } from 'node:net'
import t from 'tap'
import { encodeClose, encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { nextMask } from '../../../lib/websocket/mask.ts'
import type { Scope } from '../../helpers/stack.ts'
import { type Connection, connect, dialAgain, handOver, startApp, startChain, TIMES, until } from './chain.ts'
import { startBridge } from './parts.ts'
import { decode } from './pipe/decode.ts'

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

t.test('an orphan that is closed: what the client answers is read, and its connection ends by itself', async t => {
  const { bridge, client, app } = await startBridge(t, { onLost: () => true })
  app.peer.resetAndDestroy()
  await until(() => bridge.orphaned)
  bridge.close('rehome', 1012, 'service restart')
  await client.gets(4)
  const ended = once(client.peer, 'end')
  client.peer.write(encodeFrame(OPCODE.CLOSE, encodeClose(1012), nextMask()))
  // Its clock stands still, so nothing is cut off.
  await ended
})

t.test('the end of a side passes to the other one as it was: a close frame, a half-close, or nothing', async t => {
  const close = encodeFrame(OPCODE.CLOSE, encodeClose(4000, 'bye'))
  for (const [bytes, end] of [
    [close, { cause: 'upstream', code: 4000, reason: 'bye' }],
    [encodeFrame(OPCODE.CLOSE, Buffer.alloc(0)), { cause: 'upstream', code: 1005, reason: '' }],
    [Buffer.alloc(0), { cause: 'upstream', code: 1006, reason: '' }],
  ] as const) {
    const { bridge, client, app, ends } = await startBridge(t)
    const seen = once(client.peer, 'end')
    app.peer.end(bytes)
    await seen
    t.strictSame(client.received(), bytes)
    t.equal(bridge.state, 'closing')
    client.peer.end()
    await bridge.closed
    t.strictSame(ends, [end])
  }
})

t.test('a loss that is hidden is shown with all that belongs to it, once there is no other upstream', async t => {
  const losses: unknown[] = []
  const { bridge, client, app, ends } = await startBridge(t, { onLost: (_bridge, loss) => losses.push(loss) > 0 })
  const close = encodeFrame(OPCODE.CLOSE, encodeClose(1012, 'restart'))
  app.peer.end(close)
  await until(() => bridge.orphaned)
  t.strictSame(losses, [{ code: 1012, midMessage: false }], 'its owner learns of it once')
  await until(() => app.ours.readableEnded)
  t.equal(client.received().length, 0)
  const seen = once(client.peer, 'end')
  bridge.giveUp()
  await seen
  t.strictSame(client.received(), close)
  client.peer.end()
  await bridge.closed
  t.match(ends, [{ cause: 'upstream', code: 1012 }])
})

t.test('a message that is too big closes both sides with 1009', async t => {
  const { bridge, client, app } = await startBridge(t, { maxMessageBytes: 10 })
  client.peer.write(encodeFrame(OPCODE.TEXT, Buffer.from('more than ten bytes'), nextMask()))
  const both = [await decode(await client.gets(4), 'outbound'), await decode(await app.gets(8), 'inbound')]
  t.strictSame(
    both.map(({ controls }) => controls),
    [['close 1009 message too big'], ['close 1009 ']],
  )
  t.equal(bridge.state, 'closing')
})

t.test('a side with a large backlog is reset when memory is freed, the other one gets a close frame', async t => {
  const { bridge, client, app } = await startBridge(t)
  bridge.evict({ client: 1 << 30, upstream: 0 })
  await once(client.ours, 'close')
  const { controls } = await decode(await app.gets(8), 'inbound')
  t.strictSame(controls, ['close 1001 '])
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
  for (const upstream of a.sockets) upstream.close(4000, 'bye')
  t.equal(await moved, 'gone')
  await once(socket, 'close')
  await until(() => a.closes.length === 1)
  t.strictSame([closes, a.closes], [[4000], [4000]], 'a connection that is cut off has no code')
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
