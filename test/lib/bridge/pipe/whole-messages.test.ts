import t from 'tap'
import { PipeWriter } from '../../../../lib/bridge/pipe/pipe-writer.ts'
import { WholeMessageWriter } from '../../../../lib/bridge/pipe/whole-messages.ts'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import { encodeFrame, FrameReader, OPCODE } from '../../../../lib/websocket/frames.ts'
import { socketPair } from '../../../helpers/socket-pair.ts'
import type { Scope } from '../../../helpers/stack.ts'

async function start(t: Scope, maxBytes = 1000) {
  const pair = await socketPair(t)
  const reader = new FrameReader(false, 100_000)
  const room = new SharedByteAllowance(1 << 20)
  const whole = new WholeMessageWriter(reader, new PipeWriter(pair.ours), { maxBytes, room })
  let last = 0
  return {
    ...pair,
    whole,
    room,
    /** Reads a chunk and passes it on, as a pipe does. @param end of the part that stays in the stream */
    push(chunk: Buffer, end = chunk.length): void {
      whole.begin()
      for (let offset = 0; offset < chunk.length; offset = reader.position) {
        reader.read(chunk, offset)
        whole.see()
      }
      whole.pass(chunk, 0, end)
    },
    /** What the peer has received since the last time; waits for this many bytes. */
    async next(bytes: number): Promise<string> {
      const all = await pair.gets(last + bytes)
      const text = all.subarray(last).toString('latin1')
      last = all.length
      return text
    },
  }
}

const frame = (text: string) => encodeFrame(OPCODE.TEXT, Buffer.from(text))
const bytes = (...frames: readonly Buffer[]) => Buffer.concat(frames).toString('latin1')

t.test('whole messages of a chunk pass, and the beginning of the next one waits for its rest', async t => {
  const { push, next, whole, room } = await start(t)
  const [one, two] = [frame('one'), frame('two')]
  push(Buffer.concat([one, two.subarray(0, 4)]))
  t.equal(await next(5), bytes(one))
  t.ok(whole.isHolding)
  t.equal(whole.bytes, room.bytes)
  push(two.subarray(4))
  t.equal(await next(5), bytes(two))
  t.strictSame([whole.isHolding, whole.bytes, room.bytes], [false, 0, 0])
})

t.test('fragments, and control frames between them, wait for the end of their message', async t => {
  const { push, next, whole } = await start(t)
  const first = frame('first')
  first[0] = OPCODE.TEXT
  const ping = encodeFrame(OPCODE.PING, Buffer.from('ping'))
  const last = encodeFrame(OPCODE.CONTINUATION, Buffer.from('last'))
  push(first)
  push(ping)
  t.ok(whole.isHolding)
  push(last)
  t.equal(await next(19), bytes(first, ping, last))
})

t.test('bytes behind the last message of a range may have left the stream', async t => {
  const { push, next, whole } = await start(t)
  const [one, taken] = [frame('stays'), frame('taken out')]
  push(Buffer.concat([one, taken]), one.length)
  t.equal(await next(7), bytes(one))
  t.notOk(whole.isHolding)
})

t.test('a message above the limit passes as it comes, and so does its rest', async t => {
  const { push, next, whole } = await start(t, 10)
  const large = frame('more than ten bytes')
  push(large.subarray(0, 6))
  t.equal(await next(6), bytes(large.subarray(0, 6)))
  push(large.subarray(6))
  t.equal(await next(large.length - 6), bytes(large.subarray(6)))
  const small = frame('small')
  push(small.subarray(0, 3))
  t.ok(whole.isHolding, 'the next one waits again')
})

t.test('a message that grows above the limit passes, what waited of it first', async t => {
  const { push, next } = await start(t, 10)
  const first = frame('first')
  first[0] = OPCODE.TEXT
  const rest = encodeFrame(OPCODE.CONTINUATION, Buffer.from('and more'))
  push(first)
  push(rest.subarray(0, 5))
  t.equal(await next(12), bytes(first, rest.subarray(0, 5)))
})

t.test('a part that may pass is followed by the rest of its message, but not of the next one', async t => {
  for (const lets of ['passBegun', 'age'] as const) {
    const { push, next, whole } = await start(t)
    const message = frame('message')
    push(message.subarray(0, 4))
    whole[lets]()
    // A source that has sent nothing for two steps of the clock streams on purpose.
    if (lets === 'age') whole.age()
    t.equal(await next(4), bytes(message.subarray(0, 4)), lets)
    push(message.subarray(4, 6))
    t.equal(await next(2), bytes(message.subarray(4, 6)), lets)
    push(Buffer.concat([message.subarray(6), message.subarray(0, 4)]))
    t.equal(await next(3), bytes(message.subarray(6)), lets)
    t.ok(whole.isHolding, lets)
  }
})

t.test('a part that passes with the end of its source is written once', async t => {
  const { push, next, whole, room } = await start(t)
  const message = frame('message')
  push(message.subarray(0, 4))
  whole.passPartial()
  whole.passPartial()
  push(message.subarray(4))
  t.equal(await next(message.length), bytes(message))
  t.equal(room.bytes, 0)
})

t.test('a part that is dropped is never written, and its memory is free', async t => {
  const { push, next, whole, room } = await start(t)
  push(frame('dropped').subarray(0, 4))
  whole.drop()
  t.strictSame([whole.isHolding, room.bytes], [false, 0])
  whole.passPartial()
  whole.passBegun()
  push(frame('dropped').subarray(4))
  t.equal(await next(5), 'opped')
})
