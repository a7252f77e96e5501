import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import type { LinkFrame } from '../../../../sidecar/transport/link/link-frames.ts'
import { OUTCOMES } from '../../../../sidecar/transport/outcome.ts'
import { BOOT, delivery, encode } from './encode-frame.ts'

const LIMIT = 5000

/** What a decoder makes of chunks: what it has read, in a form that can be compared, and what was wrong. */
function decode(chunks: readonly Buffer[]) {
  const decoder = new LinkDecoder(LIMIT)
  const frames = chunks.flatMap(chunk =>
    decoder.push(chunk).map(frame =>
      frame.type === 'deliver'
        ? {
            ...frame,
            origin: frame.origin && { ...frame.origin, handshake: frame.origin.handshake?.toString('hex') },
            message: { ...frame.message, data: frame.message.data.toString('hex') },
          }
        : frame,
    ),
  )
  return { frames, problem: decoder.problem }
}

const plain = (frames: readonly LinkFrame[]) => decode(frames.map(encode)).frames

/** Cuts bytes at places that depend on the cuts given. */
function cut(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const places = [...new Set(cuts.map(n => n % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((start, i) => bytes.subarray(start, places[i] ?? bytes.length))
}

const connectionId = fc.stringMatching(/^[0-9a-f]{32}$/)

const where = fc.oneof(
  fc.record({ deliver: fc.constantFrom('app', 'client', 'reply'), origin: fc.constant(undefined) }),
  fc.record({
    deliver: fc.constant('sender' as const),
    origin: fc.record({
      id: connectionId,
      handshake: fc.option(
        fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
        { nil: undefined },
      ),
    }),
  }),
)

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const frames: fc.Arbitrary<LinkFrame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), windowBytes: u32, maxMessageBytes: u32, boot: fc.constant(BOOT) }),
  fc.record({ type: fc.constant('bye' as const), count: u32 }),
  fc.record({
    type: fc.constant('moved' as const),
    id: u32,
    member: fc.constantFrom(undefined, '10.0.0.1:3000', `${'x'.repeat(253)}:65535`),
  }),
  fc.record({
    type: fc.constant('here' as const),
    id: u32,
    users: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
  }),
  fc.record({ type: fc.constant('window' as const), bytes: u32 }),
  fc.record({ type: fc.constant('outcome' as const), id: u32, outcome: fc.constantFrom(...OUTCOMES) }),
  fc.record({ type: fc.constant('introduce' as const), id: u32 }),
  fc.record({ type: fc.constant('end' as const), connection: connectionId }),
  fc
    .record({
      type: fc.constant('deliver' as const),
      id: u32,
      lane: u32,
      start: fc.boolean(),
      repeated: fc.boolean(),
      deliveredTo: fc.option(fc.array(fc.stringMatching(/^[A-Za-z0-9+/]{22}==$/), { maxLength: 32 }), {
        nil: undefined,
      }),
      user: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter(user => Buffer.byteLength(user) <= 512),
      where,
      via: fc.constant(undefined),
      message: fc.record({
        data: fc.uint8Array({ maxLength: 300 }).map(bytes => Buffer.from(bytes)),
        binary: fc.boolean(),
      }),
    })
    .map(({ where, ...frame }) => ({ ...frame, ...where })),
)

t.test('frames come out as they went in, however the bytes are cut', async () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (sent, cuts) => {
      const { frames, problem } = decode(cut(Buffer.concat(sent.map(encode)), cuts))
      assert.equal(problem, undefined)
      assert.deepEqual(frames, plain(sent))
      assert.equal(frames.length, sent.length)
    }),
    { seed: 31, numRuns: 200 },
  )
})

t.test('any bytes, in any chunks: the same frames and the same problem, and never a throw', async t => {
  // Bytes that look like frames for a while reach further into the decoder than random ones.
  const piece = fc.oneof(
    frames.map(encode),
    fc.uint8Array({ maxLength: 40 }).map(bytes => Buffer.from(bytes)),
    fc.tuple(frames.map(encode), fc.nat(), fc.nat(255)).map(([bytes, at, value]) => {
      bytes[at % Math.min(bytes.length, 12)] = value
      return bytes
    }),
  )
  let problems = 0
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 30 }), (pieces, cuts) => {
      const bytes = Buffer.concat(pieces)
      const whole = decode([bytes])
      if (whole.problem !== undefined) problems++
      assert.deepEqual(decode(cut(bytes, cuts)), whole)
      assert.deepEqual(decode(Array.from(bytes, byte => Buffer.of(byte))), whole, 'byte by byte')
    }),
    { seed: 32, numRuns: 500 },
  )
  t.ok(problems > 50, `${problems} of them were no frames`)
})

t.test('what is wrong is known from the header on, and nothing is read after it', async t => {
  const header = (change: (bytes: Buffer) => void) => {
    const bytes = encode(delivery(1, ''))
    change(bytes)
    return bytes.subarray(0, 16)
  }
  const problem = (bytes: Buffer) => decode([encode({ type: 'window', bytes: 1 }), bytes, Buffer.of(3, 0, 0, 0, 1)])
  const expected = (text: string) => ({ frames: [{ type: 'window', bytes: 1 }], problem: text })
  t.strictSame(problem(Buffer.of(9)), expected('there is no frame of type 9'))
  for (const flags of [2 + 32, 2 + 128, 32 + 128, 64])
    t.strictSame(
      problem(header(bytes => bytes.writeUInt8(flags, 1))),
      expected(`flags ${flags}, which exclude each other`),
    )
  t.strictSame(problem(header(bytes => bytes.writeUInt16BE(0, 10))), expected('a recipient of 0 bytes'))
  t.strictSame(problem(header(bytes => bytes.writeUInt16BE(513, 10))), expected('a recipient of 513 bytes'))
  t.strictSame(problem(header(bytes => bytes.writeUInt32BE(LIMIT + 1, 12))), expected('a message of 5001 bytes'))
  t.strictSame(problem(Buffer.of(4, 0, 0, 0, 1, 0, 1, 0, 1)), expected('an announcement of 65537 bytes'))
  t.strictSame(problem(Buffer.of(5, 0, 0, 0, 1, 1, 4)), expected('a member of 260 bytes'))
  t.strictSame(problem(Buffer.of(2, 7, 0, 0, 0, 0)), expected('there is no outcome 7'))
})

t.test('a frame that comes in small pieces costs more than its bytes; a stopped decoder holds nothing', async t => {
  const bytes = encode(delivery(1, 'x'.repeat(100)))
  const decoder = new LinkDecoder(LIMIT)
  for (const byte of bytes.subarray(0, 50)) decoder.push(Buffer.of(byte))
  t.ok(decoder.heldBytes > 50 + 30 * 200, `${decoder.heldBytes} bytes`)
  decoder.stop()
  t.equal(decoder.heldBytes, 0)
  t.strictSame(decoder.push(encode({ type: 'window', bytes: 1 })), [], 'it reads nothing more')
  t.equal(decoder.problem, 'stopped')
})
