import t from 'tap'
import { Injector } from '../../../../lib/bridge/pipe/injector.ts'
import { PipeWriter } from '../../../../lib/bridge/pipe/pipe-writer.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import { type SocketPair, socketPair } from '../../../helpers/socket-pair.ts'
import type { Scope } from '../../../helpers/stack.ts'
import { decode } from './decode.ts'

const message = (text: string) => ({ data: Buffer.from(text), binary: false })

async function start(t: Scope, masked = false) {
  const pair = await socketPair(t)
  const writer = new PipeWriter(pair.ours)
  return { ...pair, writer, injector: new Injector(writer, masked) }
}

/** All that the peer receives until the end. */
async function rest({ ours, peer, received }: SocketPair): Promise<Buffer> {
  ours.end()
  await new Promise(resolve => peer.once('end', resolve))
  return received()
}

for (const masked of [false, true]) {
  const direction = masked ? 'inbound' : 'outbound'
  t.test(`frames to a ${masked ? 'server are masked' : 'client are not masked'}`, async t => {
    const run = await start(t, masked)
    t.ok(await run.injector.message(message('text'), true))
    t.ok(await run.injector.message({ data: Buffer.from('bytes'), binary: true }, true))
    t.ok(await run.injector.control(OPCODE.PONG, Buffer.from('here'), true))
    run.injector.close(encodeClose(1001, 'bye'))
    run.injector.writeClose()
    t.strictSame(await decode(await rest(run), direction), {
      messages: ['ttext', 'bbytes'],
      controls: ['pong here', 'close 1001 bye'],
      error: undefined,
    })
  })
}

t.test('a frame that several connections share is written as it is, to a client only', async t => {
  const data = Buffer.from('shared')
  // Other bytes than it would encode itself, to tell the two apart.
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from('SHARED'))
  const toClient = await start(t)
  await toClient.injector.message({ data, binary: false, frame }, true)
  t.strictSame(await rest(toClient), frame)
  const toServer = await start(t, true)
  await toServer.injector.message({ data, binary: false, frame }, true)
  t.strictSame((await decode(await rest(toServer), 'inbound')).messages, ['tshared'])
})

t.test('a frame whose place has not come waits for it, and counts', async t => {
  const run = await start(t)
  const { injector } = run
  const sent = injector.message(message('later'), false)
  const pinged = injector.control(OPCODE.PING, Buffer.from('sooner'), false)
  t.strictSame([injector.any, injector.bytes], [true, 7 + 8])
  injector.settle(false)
  t.ok(await pinged)
  t.strictSame([injector.any, injector.bytes], [true, 7])
  injector.settle(true)
  t.ok(await sent)
  t.strictSame([injector.any, injector.bytes], [false, 0])
  const expected = [encodeFrame(OPCODE.PING, Buffer.from('sooner')), encodeFrame(OPCODE.TEXT, Buffer.from('later'))]
  t.strictSame(await rest(run), Buffer.concat(expected))
})

t.test('once our close frame waits for its place, nothing else may be injected', async t => {
  const run = await start(t)
  const { injector } = run
  injector.close(encodeClose(1012))
  t.match(injector, { isClosing: true, any: true, bytes: 0 })
  t.equal(await injector.message(message('late'), true), false)
  t.equal(await injector.control(OPCODE.PING, Buffer.alloc(0), true), false)
  injector.writeClose()
  t.match(injector, { isClosing: false, any: false })
  injector.writeClose()
  t.strictSame(await rest(run), encodeFrame(OPCODE.CLOSE, encodeClose(1012)), 'and it is written once')
})

t.test('nothing is written to a stream that has ended, and its senders learn it', async t => {
  const run = await start(t)
  const { injector, writer } = run
  const waiting = injector.message(message('waits'), false)
  writer.ended = true
  t.equal(await injector.message(message('late'), true), false)
  injector.dismiss()
  t.equal(await waiting, false)
  injector.close(encodeClose(1001))
  injector.writeClose()
  t.equal((await rest(run)).length, 0)
})

t.test('a target that can no longer be written is told of at once', async t => {
  const { injector, ours } = await start(t)
  ours.end()
  t.equal(await injector.message(message('late'), true), false)
  t.equal(await injector.control(OPCODE.PING, Buffer.alloc(0), false), false)
})

t.test('messages of one tick leave in one write', async t => {
  const { injector, ours } = await start(t)
  void injector.message(message('one'), true)
  void injector.message(message('two'), true)
  t.equal(ours.writableCorked, 1)
  await new Promise(resolve => process.nextTick(resolve))
  t.equal(ours.writableCorked, 0)
})
