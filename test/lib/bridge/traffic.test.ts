import { once } from 'node:events'
import t from 'tap'
import { encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { clog } from '../../helpers/socket-pair.ts'
import { waitFor } from '../../helpers/wait.ts'
import { memoryOf, startBridge, startParts } from './parts.ts'

const frame = encodeFrame(OPCODE.TEXT, Buffer.from('hello'), 7)
const turn = () => new Promise(resolve => setImmediate(resolve))

t.test('bytes that pass count as passed, and their side as alive', async t => {
  const { traffic, memory, flow, clock, use, app } = await startParts(t)
  clock.now = 3
  traffic.receive('client', frame)
  t.strictSame(await app.gets(frame.length), frame)
  t.strictSame([memory.passedBytes, use.unsent('client'), flow.seen('client')], [frame.length, frame.length, 3])
})

t.test(
  'a side whose peer does not read is stopped at the limit, and read again when the queue has drained',
  async t => {
    const { traffic, memory, client, app, flow, pipes } = await startParts(t, memoryOf({ queueLimit: 20_000 }))
    await clog(app)
    const before = app.ours.writableLength
    client.ours.resume()
    traffic.receive('client', frame)
    t.ok(flow.stops('client') && client.ours.isPaused())
    t.ok(memory.queuedBytes >= before + frame.length, 'what waits is reported')
    const drained = once(app.ours, 'drain')
    app.peer.resume()
    await drained
    traffic.drained('upstream')
    t.notOk(flow.stops('client') || client.ours.isPaused())
    t.strictSame([memory.queuedBytes, pipes.client.queuedBytes], [0, 0])
  },
)

t.test('a queue below its limit stops nobody', async t => {
  const { traffic, client, app, flow } = await startParts(t, memoryOf({ queueLimit: 1 << 30 }))
  await clog(app)
  client.ours.resume()
  traffic.receive('client', frame)
  t.notOk(flow.stops('client') || client.ours.isPaused())
})

t.test('while memory is short, bytes that the kernel may hold count as queued', async t => {
  const { traffic, memory, flow, client } = await startParts(t, memoryOf({ queueLimit: 2 * frame.length }))
  traffic.receive('client', frame)
  traffic.receive('client', frame)
  t.notOk(flow.stops('client'))
  memory.tight = true
  traffic.receive('client', frame)
  t.ok(flow.stops('client') && client.ours.isPaused())
  traffic.restrain({ client: 0, upstream: frame.length })
  t.notOk(flow.stops('client') || client.ours.isPaused(), 'the kernel was measured, and has sent most of it')
  traffic.restrain({ client: 0, upstream: 2 * frame.length })
  t.ok(flow.stops('client'), 'it was measured, and has sent too little')
})

t.test('a side that is held is not read until it was released as often', async t => {
  const { traffic, client } = await startParts(t)
  traffic.regulate('client')
  t.notOk(client.ours.isPaused())
  traffic.hold('client')
  traffic.hold('client')
  t.ok(client.ours.isPaused())
  traffic.release('client')
  await turn()
  t.ok(client.ours.isPaused())
  traffic.release('client')
  t.ok(client.ours.isPaused(), 'the last message may still be in work')
  await turn()
  t.notOk(client.ours.isPaused())
})

t.test('the rest of a chunk waits while its side is held, and passes in order', async t => {
  const { traffic, app, pipes } = await startParts(t)
  traffic.hold('client')
  traffic.receive('client', frame)
  t.equal(pipes.client.stashedBytes, frame.length)
  traffic.release('client')
  t.strictSame(await app.gets(frame.length), frame)
})

t.test('a stream that has stopped is not read until it goes on', async t => {
  const { traffic, app, client, pipes } = await startParts(t)
  pipes.client.stop()
  traffic.receive('client', frame)
  traffic.regulate('client')
  t.ok(client.ours.isPaused())
  traffic.go('client')
  t.notOk(client.ours.isPaused())
  t.strictSame(await app.gets(frame.length), frame)
})

t.test('after we have closed, a side is always read, to see its answer', async t => {
  const { traffic, client, flow, life } = await startParts(t)
  flow.hold('client')
  life.finish({ cause: 'shutdown', code: 1012, reason: '' })
  traffic.regulate('client')
  t.notOk(client.ours.isPaused())
})

t.test('a client without an upstream may drop the rest of its message: its queue stops nothing', async t => {
  const { traffic, app, flow, life } = await startParts(t, memoryOf({ queueLimit: 20_000 }))
  await clog(app)
  life.upstreamLost({ code: 1006, closed: false, ended: false, gone: false })
  traffic.receive('client', frame)
  t.notOk(flow.stops('client'))
})

t.test('a closed connection queues nothing', async t => {
  const { traffic, app, life, memory } = await startParts(t)
  await clog(app)
  life.finish({ cause: 'terminated', code: 1006, reason: '' })
  life.socketGone()
  life.socketGone()
  t.equal(traffic.count('client'), 0)
  t.equal(memory.queuedBytes, 0)
})

t.test('a client that takes one large message piece by piece is not idle, although it sends nothing', async t => {
  const idleAfter = { client: 2, upstream: 0 }
  const { bridge, client, app, sweep } = await startBridge(t, { idleAfter, maxMessageBytes: 1 << 30 })
  // More than fits into the queues of all kernels on the way.
  app.peer.write(encodeFrame(OPCODE.BINARY, Buffer.alloc(48 << 20)))
  client.peer.pause()
  for (let step = 0; step < 5; step++) {
    await waitFor(() => app.ours.isPaused(), 'the client’s queue is full')
    client.peer.resume()
    await waitFor(() => !app.ours.isPaused(), 'it has drained')
    client.peer.pause()
    sweep(1)
  }
  t.equal(bridge.state, 'open')
  sweep(3)
  t.equal(bridge.state, 'closing', 'now it is silent')
})
