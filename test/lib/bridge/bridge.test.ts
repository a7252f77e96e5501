import { once } from 'node:events'
import t from 'tap'
import { encodeClose, encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { clog, type SocketPair } from '../../helpers/socket-pair.ts'
import { waitFor } from '../../helpers/wait.ts'
import { startBridge } from './parts.ts'
import { type Decoded, decode } from './pipe/decode.ts'

const text = (data: string) => ({ data: Buffer.from(data), binary: false })
const seen = async ({ client, app }: { client: SocketPair; app: SocketPair }): Promise<[Decoded, Decoded]> => [
  await decode(client.received(), 'outbound'),
  await decode(app.received(), 'inbound'),
]

t.test('bytes pass unchanged in both directions, and both ends of the connection with them', async t => {
  const { bridge, client, app, ends } = await startBridge(t)
  const question = encodeFrame(OPCODE.TEXT, Buffer.from('question'), 9)
  const answer = encodeFrame(OPCODE.BINARY, Buffer.from('answer'))
  client.peer.write(question)
  app.peer.write(answer)
  t.strictSame([await app.gets(question.length), await client.gets(answer.length)], [question, answer])
  t.equal(bridge.state, 'open')
  const close = encodeFrame(OPCODE.CLOSE, encodeClose(4000, 'bye'), 9)
  client.peer.end(close)
  app.peer.end()
  await bridge.closed
  t.strictSame(app.received(), Buffer.concat([question, close]))
  t.strictSame([bridge.state, ends], ['closed', [{ cause: 'client', code: 4000, reason: 'bye' }]])
})

t.test('a message from elsewhere comes to a side as if the other one had sent it', async t => {
  const run = await startBridge(t)
  t.equal(await run.bridge.send('client', text('to the client')), 'sent')
  t.equal(await run.bridge.send('upstream', text('to the app')), 'sent')
  t.ok(await run.bridge.control('client', OPCODE.PING, Buffer.from('here')))
  await run.client.gets(21)
  await run.app.gets(16)
  const [client, app] = await seen(run)
  t.strictSame([client.messages, client.controls, app.messages], [['tto the client'], ['ping here'], ['tto the app']])
})

t.test(
  'a message that would exceed the queue of a slow side is refused; the first one of a queue never is',
  async t => {
    const { bridge, client, memory } = await startBridge(t)
    t.equal(await bridge.send('client', text('larger than this'), 1), 'sent')
    await clog(client)
    const queued = bridge.queuedBytes('client')
    t.equal(await bridge.send('client', text('hello'), queued + 4), 'full')
    void bridge.send('client', text('hello'), queued + 5)
    t.ok(bridge.queuedBytes('client') > queued)
    memory.tight = true
    memory.queueLimit = 1
    t.equal(await bridge.send('client', text('hello'), Number.POSITIVE_INFINITY), 'full', 'while memory is short')
    Object.assign(memory, { tight: false, isFull: true })
    t.equal(await bridge.send('upstream', text('hello')), 'full', 'while memory is full')
  },
)

t.test('a connection that has ended takes no message, ping or second end', async t => {
  const { bridge, client, app, ends } = await startBridge(t)
  bridge.close('rehome', 1012, 'service restart')
  bridge.close('idle', 1001, 'too late')
  t.equal(await bridge.send('client', text('late')), 'closed')
  t.equal(await bridge.control('client', OPCODE.PING, Buffer.alloc(0)), false)
  await Promise.all([client.gets(4), app.gets(8)])
  client.peer.end(encodeFrame(OPCODE.CLOSE, encodeClose(1012), 1))
  app.peer.end(encodeFrame(OPCODE.CLOSE, encodeClose(1001)))
  await bridge.closed
  t.strictSame(ends, [{ cause: 'rehome', code: 1012, reason: 'service restart' }])
  t.strictSame(
    (await seen({ client, app })).map(({ controls }) => controls),
    [['close 1012 service restart'], ['close 1001 ']],
  )
})

t.test('an upstream that has said its last word takes no message', async t => {
  const { bridge, app } = await startBridge(t)
  app.peer.end()
  await once(app.ours, 'end')
  t.equal(await bridge.send('upstream', text('late')), 'closed')
})

t.test('a silent side is pinged, its pong does not pass, and without one it is closed as idle', async t => {
  const on = { client: 2, upstream: 0 }
  const run = await startBridge(t, { pingAfter: on, idleAfter: { client: 5, upstream: 0 } })
  const { bridge, client, app, sweep } = run
  sweep(2)
  const ping = await client.gets(6)
  client.peer.write(encodeFrame(OPCODE.PONG, ping.subarray(2), 3))
  await waitFor(() => bridge.lastSeen === 2, 'its pong has come')
  sweep(4)
  t.equal(bridge.state, 'open')
  sweep(1)
  t.equal(bridge.state, 'closing')
  await app.gets(8)
  const [, atApp] = await seen(run)
  t.strictSame(atApp.controls, ['close 1001 '], 'and no pong')
})

t.test('the upstream gets no ping of another kind while it is asked whether it has answered all', async t => {
  const { bridge, app, sweep } = await startBridge(t, { pingAfter: { client: 0, upstream: 1 } })
  const asked = bridge.fence(60_000, Buffer.from('farewell'))
  await app.gets(14)
  sweep(3)
  app.peer.write(encodeFrame(OPCODE.PONG, Buffer.from('farewell')))
  t.equal(await asked, true, 'its answer was seen')
  const { controls } = await decode(app.received(), 'inbound')
  t.strictSame(controls, ['ping farewell'])
})

t.test('a client that does not read what the app sends is closed as slow', async t => {
  const { bridge, client, app, sweep, ends } = await startBridge(t, { slowAfter: 3, maxQueueBytes: 1024 })
  await clog(client)
  app.peer.write(encodeFrame(OPCODE.BINARY, Buffer.alloc(300_000)))
  await waitFor(() => app.ours.isPaused(), 'the app is not read')
  sweep(2)
  t.equal(bridge.state, 'open')
  sweep(1)
  t.equal(bridge.state, 'closing')
  bridge.terminate()
  await bridge.closed
  t.match(ends, [{ cause: 'slow_consumer', code: 1013 }])
})

t.test('what is left of a connection that we have closed is cut off after ten sweeps', async t => {
  const { bridge, client, sweep } = await startBridge(t)
  bridge.close('shutdown', 1012, '')
  sweep(9)
  t.notOk(client.ours.destroyed)
  sweep(1)
  await bridge.closed
})

t.test('memory that is charged to a connection counts as its own', async t => {
  const { bridge, memory } = await startBridge(t)
  bridge.charge(500)
  t.strictSame([bridge.heldBytes, memory.messageBytes], [500, 500])
  bridge.charge(-500)
  t.strictSame([bridge.heldBytes, memory.messageBytes], [0, 0])
})

t.test('bytes that a side sent with its handshake come first, and none passes before the start', async t => {
  const early = {
    client: encodeFrame(OPCODE.TEXT, Buffer.from('early'), 5),
    upstream: encodeFrame(OPCODE.TEXT, Buffer.from('early')),
  }
  const answer = Buffer.from('101')
  const { bridge, client, app } = await startBridge(t, {}, { early, answer, isStarted: false })
  t.equal(bridge.context, 'context')
  t.strictSame(await client.gets(3), answer)
  t.equal(app.received().length, 0)
  bridge.start()
  t.strictSame(await app.gets(11), early.client)
  t.strictSame(await client.gets(10), Buffer.concat([answer, early.upstream]))
})
