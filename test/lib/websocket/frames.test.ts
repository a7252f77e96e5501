import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { applyMask, encodeClose, encodeFrame, FrameReader, OPCODE, STEP } from '../../../lib/websocket/frames.ts'

/** Everything that a reader says of some bytes, given in chunks. */
function events(chunks: readonly Buffer[], masked: boolean, limit = 1_000_000): unknown[] {
  const reader = new FrameReader(masked, limit)
  const seen: unknown[] = []
  let payload: Buffer[] = []
  for (const chunk of chunks) {
    let offset = 0
    while (offset < chunk.length) {
      const before = offset
      const step = reader.read(chunk, offset)
      if (step === STEP.ERROR) return [...seen, ['error', reader.error]]
      offset = reader.position
      if (step === STEP.HEADER || step === STEP.EMPTY) {
        payload = []
        seen.push(['header', reader.opcode, reader.fin, reader.length, reader.mask])
      } else payload.push(chunk.subarray(before, offset))
      if (step === STEP.END || step === STEP.EMPTY) {
        // Bytes of a header that was cut are no payload.
        const bytes = Buffer.concat(payload)
        seen.push([
          'end',
          bytes.subarray(bytes.length - reader.length).toString('hex'),
          reader.message,
          reader.messages,
        ])
      }
    }
  }
  return seen
}

const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...places, bytes.length]
    .map((end, n) => bytes.subarray(n === 0 ? 0 : (places[n - 1] as number), end))
    .filter(part => part.length > 0)
}

const payloadLengths = fc.oneof(fc.constantFrom(0, 1, 125, 126, 127, 65_535, 65_536), fc.integer({ min: 0, max: 300 }))
const frames = fc.array(
  fc.record({
    fragments: fc.array(payloadLengths, { minLength: 1, maxLength: 3 }),
    binary: fc.boolean(),
    control: fc.constantFrom(0, OPCODE.PING, OPCODE.PONG),
    mask: fc.nat(0xffffffff),
  }),
  { maxLength: 6 },
)

/** Messages as their bytes on the wire: fragmented, with control frames in between. */
function encode(messages: typeof frames extends fc.Arbitrary<infer M> ? M : never, masked: boolean): Buffer {
  const parts: Buffer[] = []
  for (const { fragments, binary, control, mask } of messages) {
    for (const [n, length] of fragments.entries()) {
      const opcode = n > 0 ? OPCODE.CONTINUATION : binary ? OPCODE.BINARY : OPCODE.TEXT
      const frame = encodeFrame(opcode, Buffer.alloc(length, 'ab'), masked ? mask : undefined)
      if (n < fragments.length - 1) frame[0] = (frame[0] as number) & 0x7f
      parts.push(frame)
      if (control) parts.push(encodeFrame(control, Buffer.from('hi'), masked ? mask : undefined))
    }
  }
  return Buffer.concat(parts)
}

t.test('every chunking of valid bytes gives the same events', async t => {
  fc.assert(
    fc.property(frames, fc.boolean(), fc.array(fc.nat(), { maxLength: 30 }), (messages, masked, cuts) => {
      const bytes = encode(messages, masked)
      const whole = events([bytes], masked)
      assert.deepEqual(
        whole.filter(event => (event as unknown[])[0] === 'error'),
        [],
      )
      assert.deepEqual(events(cut(bytes, cuts), masked), whole)
    }),
    { seed: 3, numRuns: 150 },
  )
  const bytes = encode([{ fragments: [3, 0, 130], binary: false, control: OPCODE.PING, mask: 0x01020304 }], true)
  t.strictSame(
    events(
      Array.from(bytes, byte => Buffer.of(byte)),
      true,
    ),
    events([bytes], true),
    'byte by byte',
  )
})

t.test('every chunking of any bytes gives the same events, and never throws', async () => {
  // Bytes that look like headers, so that more than the first two of them get read.
  const bytes = fc
    .array(fc.oneof(fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x88, 0x89, 0xfe, 0xff, 0x05), fc.nat(255)), {
      maxLength: 200,
    })
    .map(values => Buffer.from(values))
  fc.assert(
    fc.property(bytes, fc.boolean(), fc.array(fc.nat(), { maxLength: 30 }), (data, masked, cuts) => {
      assert.deepEqual(events(cut(data, cuts), masked, 1000), events([data], masked, 1000))
    }),
    { seed: 4, numRuns: 500 },
  )
})

t.test('what RFC 6455 forbids is an error', async t => {
  const cases: [string, number[], boolean, number][] = [
    ['RSV1 without an extension', [0xc1, 0x00], false, 1002],
    ['RSV2', [0xa1, 0x00], false, 1002],
    ['RSV3', [0x91, 0x00], false, 1002],
    ['opcode 3', [0x83, 0x00], false, 1002],
    ['opcode 11', [0x8b, 0x00], false, 1002],
    ['a client that does not mask', [0x81, 0x00], true, 1002],
    ['a server that masks', [0x81, 0x80, 0, 0, 0, 0], false, 1002],
    ['a continuation of nothing', [0x80, 0x00], false, 1002],
    ['a message within a message', [0x01, 0x00, 0x81, 0x00], false, 1002],
    ['a fragmented ping', [0x09, 0x00], false, 1002],
    ['a ping of 126 bytes', [0x89, 0x7e, 0x00, 0x7e], false, 1002],
    ['16 bits of length where 7 do', [0x81, 0x7e, 0x00, 0x7d], false, 1002],
    ['64 bits of length where 16 do', [0x81, 0x7f, 0, 0, 0, 0, 0, 0, 0xff, 0xff], false, 1002],
    ['the highest bit of a length', [0x81, 0x7f, 0x80, 0, 0, 0, 0, 1, 0, 0], false, 1002],
    ['a message above the limit', [0x81, 0x7e, 0x03, 0xe9], false, 1009],
  ]
  for (const [name, bytes, masked, code] of cases)
    t.strictSame(events([Buffer.from(bytes)], masked, 1000).at(-1), ['error', code], name)
  const fragments = Buffer.concat([
    encodeFrame(OPCODE.TEXT, Buffer.alloc(600)),
    encodeFrame(OPCODE.CONTINUATION, Buffer.alloc(401)),
  ])
  fragments[0] = OPCODE.TEXT
  t.strictSame(events([fragments], false, 1000).at(-1), ['error', 1009], 'fragments that are too large together')
})

t.test('boundaries: control frames may be put in between frames, messages only between messages', async t => {
  const reader = new FrameReader(false, 1000)
  const feed = (chunk: Buffer) => {
    for (let offset = 0; offset < chunk.length; offset = reader.position) t.not(reader.read(chunk, offset), STEP.ERROR)
  }
  const boundaries = () => [reader.betweenFrames, reader.betweenMessages]
  t.strictSame(boundaries(), [true, true])
  feed(Buffer.of(0x01))
  t.strictSame(boundaries(), [false, false], 'in a header')
  feed(Buffer.of(0x02, 0x61))
  t.strictSame(boundaries(), [false, false], 'in a payload')
  feed(Buffer.of(0x62))
  t.strictSame(boundaries(), [true, false], 'between two fragments')
  feed(Buffer.of(0x89, 0x00))
  t.strictSame(boundaries(), [true, false], 'after a ping between them')
  feed(Buffer.of(0x80, 0x00))
  t.strictSame(boundaries(), [true, true], 'after the last')
  t.equal(reader.messages, 1)
})

t.test('masking is the exclusive or with the key, whatever the size, the phase and the place in memory', async () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 200 }),
      fc.nat(0xffffffff),
      fc.nat(7),
      fc.nat(7),
      (data, mask, phase, at) => {
        const memory = Buffer.alloc(data.length + 16, 0xee)
        const bytes = memory.subarray(at, at + data.length)
        bytes.set(data)
        applyMask(bytes, mask, phase)
        const key = [mask >>> 24, (mask >>> 16) & 0xff, (mask >>> 8) & 0xff, mask & 0xff]
        const expected = data.map((byte, i) => byte ^ (key[(i + phase) % 4] as number))
        const around = [...memory.subarray(0, at), ...memory.subarray(at + data.length)]
        return bytes.equals(expected) && around.every(byte => byte === 0xee)
      },
    ),
    { seed: 6 },
  )
})

t.test('masking undoes itself, wherever it starts', async t => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(0xffffffff), fc.nat(7), (data, mask, phase) => {
      const bytes = Buffer.from(data)
      applyMask(bytes, mask, phase)
      applyMask(bytes, mask, phase)
      return bytes.equals(Buffer.from(data))
    }),
    { seed: 5 },
  )
  const bytes = Buffer.from('Hello')
  applyMask(bytes, 0x37fa213d)
  t.equal(bytes.toString('hex'), '7f9f4d5158', 'the example of RFC 6455 section 5.7')
  t.equal(encodeFrame(OPCODE.TEXT, Buffer.from('Hello'), 0x37fa213d).toString('hex'), '818537fa213d7f9f4d5158')
  t.equal(encodeFrame(OPCODE.TEXT, Buffer.from('Hello')).toString('hex'), '810548656c6c6f')
})

t.test('close frames carry a code and as much of the reason as fits, in whole characters', async t => {
  t.equal(encodeClose().length, 0)
  t.equal(encodeClose(1012, 'bye').toString('hex'), '03f4627965')
  const long = encodeClose(1000, 'ü'.repeat(100))
  t.equal(long.length, 124)
  t.equal(long.subarray(2).toString(), 'ü'.repeat(61))
})

t.test('a header that is cut can be taken back', async t => {
  const reader = new FrameReader(false, 1000)
  t.equal(reader.read(Buffer.of(0x81, 0x7e, 0x00), 0), STEP.MORE)
  t.equal(reader.unread(), 3)
  t.ok(reader.betweenFrames)
  t.equal(reader.read(Buffer.of(0x81, 0x7e, 0x00, 0x80), 0), STEP.HEADER)
  t.equal(reader.length, 128)
})
