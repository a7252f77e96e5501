import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { SharedByteAllowance } from '../../../../../lib/websocket/byte-allowance.ts'
import { encodeFrame, OPCODE } from '../../../../../lib/websocket/frames.ts'
import { decode } from '../decode.ts'
import { run } from '../pipe-run.ts'
import { both, cut, cuts, encode, isAddressed, message, shown } from '../streams.ts'

t.test('addressed messages are taken out; everything else passes, in order, as it came', async () => {
  await fc.assert(
    fc.asyncProperty(both, fc.array(message, { maxLength: 5 }), cuts, async (direction, sent, places) => {
      const { pipe, out, taken } = run(direction, { find: true })
      for (const chunk of cut(encode(sent, direction), places)) pipe.push(chunk)
      const decoded = await decode(out(), direction)
      assert.equal(decoded.error, undefined)
      assert.deepEqual(decoded.messages, sent.filter(one => !isAddressed(one)).map(shown))
      assert.deepEqual(
        taken,
        sent.filter(isAddressed).map(({ text }) => text),
      )
      const controls = sent.flatMap(({ control, fragments }) =>
        control ? Array.from({ length: fragments }, (_, n) => `${control} c${n}`) : [],
      )
      assert.deepEqual(decoded.controls, controls)
    }),
    { seed: 12, numRuns: 200 },
  )
})

t.test('what is written in place of an addressed message comes in its place', async () => {
  await fc.assert(
    fc.asyncProperty(both, fc.array(message, { maxLength: 5 }), cuts, async (direction, sent, places) => {
      const { pipe, out } = run(direction, { find: true, replace: true })
      for (const chunk of cut(encode(sent, direction), places)) pipe.push(chunk)
      const decoded = await decode(out(), direction)
      assert.equal(decoded.error, undefined)
      let taken = 0
      assert.deepEqual(
        decoded.messages,
        sent.map(one => (isAddressed(one) ? `tinstead ${taken++}` : shown(one))),
      )
    }),
    { seed: 14, numRuns: 200 },
  )
})

t.test('messages are not parsed, and one that nobody takes passes as it came', async t => {
  const parse = t.capture(JSON, 'parse', JSON.parse)
  const { pipe, taken, out } = run('inbound', { find: true, takes: recipient => recipient !== 'ann' })
  const frames = ['{"text":"hi"}', '{"recipientId":"ann"}', '{recipientId:1}', `{"a":"${'x'.repeat(70_000)}"}`].map(
    text => encodeFrame(OPCODE.TEXT, Buffer.from(text), 7),
  )
  for (const frame of [...frames, encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'), 7)]) {
    pipe.push(frame.subarray(0, 20))
    pipe.push(frame.subarray(20))
    pipe.push(frame)
  }
  t.strictSame(parse(), [])
  t.equal(taken.length, 2)
  t.ok(out().equals(Buffer.concat(frames.flatMap(frame => [frame, frame]))))
})

t.test('an addressed message may begin with an empty fragment', async t => {
  const first = encodeFrame(OPCODE.TEXT, Buffer.alloc(0), 1)
  first[0] = OPCODE.TEXT
  const text = '{"recipientId":"bob"}'
  const { pipe, out, taken } = run('inbound', { find: true })
  pipe.push(Buffer.concat([first, encodeFrame(OPCODE.CONTINUATION, Buffer.from(text), 2)]))
  t.strictSame(taken, [text])
  t.equal(out().length, 0)
})

/** A message in frames of one byte each. */
const inPieces = (text: string) =>
  [...Buffer.from(text)].map((byte, n) => {
    const frame = encodeFrame(n === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION, Buffer.of(byte), n + 1)
    if (n < text.length - 1) frame[0] = (frame[0] as number) & 0x7f
    return frame
  })

t.test('a message in very many pieces is looked at like any other', async t => {
  const text = `{"recipientId":"bob","pad":"${'x'.repeat(3000)}"}`
  const { pipe, out, taken } = run('inbound', { find: true })
  for (const piece of inPieces(text)) pipe.push(piece)
  t.strictSame(taken, [text])
  t.equal(out().length, 0)
})

t.test('a message that is too large is not looked at: it passes as it came, from there on as it comes', async t => {
  const text = `{"recipientId":"bob","pad":"${'x'.repeat(980)}"}`
  const whole = encodeFrame(OPCODE.TEXT, Buffer.from(text), 7)
  const room = new SharedByteAllowance(100_000)
  const { pipe, out, taken, unparsed } = run('inbound', { find: true, room, maxAddressed: 1000 })
  pipe.push(whole)
  pipe.push(whole.subarray(0, 20))
  t.equal(out().length, whole.length + 20)
  t.equal(room.bytes, 0, 'nothing of it is held')
  pipe.push(whole.subarray(20))
  for (const piece of inPieces(text)) {
    const before = out().length
    pipe.push(piece)
    t.notOk(room.bytes > 0 && out().length > before, 'nor of its fragments, once they are too many')
  }
  t.equal(room.bytes, 0)
  t.strictSame(unparsed, ['too_large', 'too_large', 'too_large'])
  t.strictSame(out(), Buffer.concat([whole, whole, ...inPieces(text)]))
  pipe.push(encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'), 7))
  t.equal(taken.length, 1, 'the next one is looked at')
})

t.test('what turns out not to be addressed passes at once, not at its end', async t => {
  const header = encodeFrame(OPCODE.TEXT, Buffer.alloc(2000), 0).subarray(0, 8)
  for (const [begin, why] of [
    ['{"a":tru ', []],
    [' [1,2', []],
    [`{"a":${'['.repeat(513)}`, ['too_deep']],
  ] as const) {
    const room = new SharedByteAllowance(100_000)
    const { pipe, out, unparsed } = run('inbound', { find: true, room })
    const bytes = Buffer.concat([header, Buffer.from(begin)])
    pipe.push(bytes)
    t.strictSame(out(), bytes, begin.slice(0, 10))
    t.strictSame([room.bytes, unparsed], [0, why])
  }
})

const large = encodeFrame(OPCODE.TEXT, Buffer.from(JSON.stringify({ recipientId: 'bob', text: 'x'.repeat(500) })), 7)

t.test('a message for which there is no room does not pass: the connection is closed', async t => {
  const room = new SharedByteAllowance(10_000)
  const { pipe, out, taken, unparsed } = run('outbound', { find: true, room })
  const message = encodeFrame(OPCODE.TEXT, Buffer.from(JSON.stringify({ recipientId: 'bob', text: 'x'.repeat(9000) })))
  pipe.push(message.subarray(0, 100))
  t.ok(room.bytes > 0)
  pipe.push(message.subarray(100, 8000))
  t.strictSame(unparsed, ['no_room'])
  pipe.push(message.subarray(8000))
  t.strictSame(taken, [])
  t.equal(room.bytes, 0, 'nothing stays taken')
  t.strictSame((await decode(out(), 'outbound')).controls, ['close 1013 '])
})

t.test('also where the connection is closed already, nothing of it passes', async t => {
  const room = new SharedByteAllowance(100)
  const { pipe, out } = run('outbound', { find: true, room })
  pipe.listener.onNoRoom = () => {}
  const message = encodeFrame(OPCODE.TEXT, Buffer.from('{"recipientId":"bob"}'))
  pipe.push(message.subarray(0, 10))
  pipe.push(message.subarray(10))
  pipe.finish()
  t.strictSame([out().length, room.bytes], [0, 0])
})

t.test('steps of the clock are counted for a message that is held', async t => {
  const { pipe } = run('inbound', { find: true })
  t.equal(pipe.age(), 0)
  pipe.push(large.subarray(0, 100))
  t.strictSame([pipe.age(), pipe.age()], [1, 2])
  pipe.push(large.subarray(100))
  pipe.push(large.subarray(0, 100))
  t.equal(pipe.age(), 1, 'the next one is young')
})

t.test('what is held of a message whose target has gone is given up, and no longer counts', async t => {
  const room = new SharedByteAllowance(100_000)
  const { pipe, out } = run('inbound', { find: true, room })
  pipe.push(large.subarray(0, 100))
  t.ok(room.bytes > 0)
  pipe.abandon()
  t.equal(room.bytes, 0)
  pipe.push(large.subarray(100))
  t.strictSame([out().length, room.bytes], [0, 0])
})

t.test('a message that is held counts as memory of its connection, and so does what came after a stop', async t => {
  const room = new SharedByteAllowance(1_000_000)
  const { pipe } = run('inbound', { find: true, room })
  const frame = encodeFrame(OPCODE.TEXT, Buffer.from(`{"recipientId":"bob","x":"${'x'.repeat(50_000)}"}`), 7)
  pipe.push(frame.subarray(0, 40_000))
  t.ok(pipe.heldBytes >= 40_000, `${pipe.heldBytes} bytes`)
  t.equal(pipe.heldBytes, room.bytes)
  pipe.push(frame.subarray(40_000))
  t.equal(pipe.heldBytes, 0)
  pipe.stop()
  pipe.push(frame)
  t.equal(pipe.heldBytes, frame.length)
  pipe.go()
  t.equal(pipe.heldBytes, 0)
})
