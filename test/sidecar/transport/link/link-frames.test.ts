import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { LinkDecoder } from '../../../../sidecar/transport/link/link-decoder.ts'
import {
  deliverBytes,
  END_BYTES,
  encodeHello,
  hereBytes,
  type LinkFrame,
  movedBytes,
  writeBye,
  writeDeliver,
  writeEnd,
  writeHere,
  writeIntroduce,
  writeMoved,
  writeOutcome,
  writeWindow,
} from '../../../../sidecar/transport/link/link-frames.ts'
import { OUTCOMES } from '../../../../sidecar/transport/outcome.ts'

const LIMIT = 5000

function encode(frame: LinkFrame): Buffer {
  const written = (size: number, write: (bytes: Buffer) => void) => {
    const bytes = Buffer.alloc(size)
    write(bytes)
    return bytes
  }
  switch (frame.type) {
    case 'hello':
      return encodeHello(frame.windowBytes, frame.maxMessageBytes, frame.boot)
    case 'window':
      return written(5, bytes => writeWindow(bytes, 0, frame.bytes))
    case 'outcome':
      return written(6, bytes => writeOutcome(bytes, 0, frame.id, frame.outcome))
    case 'moved':
      return written(movedBytes(frame.member), bytes => writeMoved(bytes, 0, frame.id, frame.member))
    case 'here':
      return written(hereBytes(frame.users), bytes => writeHere(bytes, 0, frame.id, frame.users))
    case 'bye':
      return written(5, bytes => writeBye(bytes, 0, frame.count))
    case 'introduce':
      return written(5, bytes => writeIntroduce(bytes, 0, frame.id))
    case 'end':
      return written(END_BYTES, bytes => writeEnd(bytes, 0, frame.connection))
    case 'deliver':
      return written(deliverBytes(frame), bytes => writeDeliver(bytes, 0, frame.id, frame, frame.repeated))
  }
}

const BOOT = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex')

const CONNECTION = '00112233445566778899aabbccddeeff'

const delivery = (id: number, content: string, more: object = {}): LinkFrame => ({
  type: 'deliver',
  id,
  lane: 258,
  user: 'bob',
  deliver: 'app',
  start: false,
  repeated: false,
  deliveredTo: undefined,
  origin: undefined,
  via: undefined,
  message: { data: Buffer.from(content), binary: false },
  ...more,
})

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

t.test('the bytes of docs/wire-format.md', async t => {
  const hex = (frame: LinkFrame) => encode(frame).toString('hex')
  t.equal(
    hex({ type: 'hello', windowBytes: 262_144, maxMessageBytes: 16_777_216, boot: BOOT }),
    `000004000001000000${BOOT.toString('hex')}`,
  )
  t.equal(hex(delivery(7, 'hi', { deliver: 'client', start: true })), '01060000000700000102000300000002626f626869')
  t.equal(
    hex(delivery(7, 'hi', { deliveredTo: ['AAAAAAAAAAAAAAAAAAAAAA=='] })),
    `01100000000700000102001c00000002${Buffer.from('bob\0AAAAAAAAAAAAAAAAAAAAAA==hi').toString('hex')}`,
  )
  for (const [flag, more] of [
    [1, { message: { data: Buffer.alloc(0), binary: true } }],
    [2, { deliver: 'client' }],
    [4, { start: true }],
    [8, { repeated: true }],
    [16, { deliveredTo: [] }],
    [32, { deliver: 'sender', origin: { id: CONNECTION, handshake: undefined } }],
    [96, { deliver: 'sender', origin: { id: CONNECTION, handshake: Buffer.from('GET') } }],
    [128, { deliver: 'reply' }],
  ] as const)
    t.equal(encode(delivery(1, '', more))[1], flag, JSON.stringify(more))
  const origin = { id: CONNECTION, handshake: Buffer.from('GET') }
  t.equal(
    hex(delivery(7, 'hi', { deliver: 'sender', origin: { ...origin, handshake: undefined } })),
    `01200000000700000102000300000002626f62${CONNECTION}6869`,
  )
  t.equal(
    hex(delivery(7, 'hi', { deliver: 'sender', origin })),
    `01600000000700000102000300000002626f62${CONNECTION}00034745546869`,
  )
  t.equal(hex({ type: 'introduce', id: 7 }), '0700000007')
  t.equal(hex({ type: 'end', connection: CONNECTION }), `08${CONNECTION}`)
  t.equal(hex({ type: 'here', id: 8, users: Buffer.from('ann\nbob') }), '040000000800000007616e6e0a626f62')
  t.equal(hex({ type: 'moved', id: 7, member: 'a:1' }), '05000000070003613a31')
  t.equal(hex({ type: 'moved', id: 7, member: undefined }), '05000000070000')
  t.equal(hex({ type: 'bye', count: 3 }), '0600000003')
  t.equal(hex({ type: 'bye', count: 2 ** 32 + 3 }), '0600000003', 'counted on modulo 2³²')
  t.equal(hex({ type: 'outcome', id: 7, outcome: 'slow_consumer' }), '020500000007')
  t.equal(hex({ type: 'window', bytes: 17 }), '0300000011')
  t.strictSame(
    OUTCOMES.map(outcome => encode({ type: 'outcome', id: 0, outcome })[1]),
    [0, 1, 2, 3, 4, 5, 6],
  )
  t.strictSame(
    [...OUTCOMES],
    ['delivered', 'offline', 'no_owner', 'timeout', 'too_large', 'slow_consumer', 'rejected'],
    'their numbers are on the wire: new ones come last',
  )
})

t.test('frames come out as they went in, however the bytes are cut', async () => {
  fc.assert(
    fc.property(fc.array(frames, { maxLength: 20 }), fc.array(fc.nat(), { maxLength: 30 }), (sent, cuts) => {
      const { frames, problem } = decode(cut(Buffer.concat(sent.map(encode)), cuts))
      assert.equal(problem, undefined)
      assert.deepEqual(frames, plain(sent))
      assert.equal(frames.length, sent.length)
    }),
    { numRuns: 200 },
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
    { numRuns: 500 },
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
