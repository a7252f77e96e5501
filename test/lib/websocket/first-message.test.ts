import fc from 'fast-check'
import t from 'tap'
import { FirstMessage } from '../../../lib/websocket/first-message.ts'
import { encodeFrame, FrameReader, OPCODE } from '../../../lib/websocket/frames.ts'

interface Sent {
  readonly text: string
  readonly binary?: boolean
  /** Fragments of equal size. */
  readonly fragments?: number
}

/** Messages of a client, as their masked frames, with a ping after each frame that is not the last. */
function encode(messages: readonly Sent[]): Buffer {
  return Buffer.concat(
    messages.flatMap(({ text, binary = false, fragments = 1 }, key) => {
      const data = Buffer.from(text)
      return Array.from({ length: fragments }, (_, n) => {
        const part = data.subarray((n * data.length) / fragments, ((n + 1) * data.length) / fragments)
        const opcode = n > 0 ? OPCODE.CONTINUATION : binary ? OPCODE.BINARY : OPCODE.TEXT
        const frame = encodeFrame(opcode, part, 0x01020304 * (key + n + 1))
        if (n === fragments - 1) return frame
        frame[0] = (frame[0] as number) & 0x7f
        return Buffer.concat([frame, encodeFrame(OPCODE.PING, Buffer.from('ping'), 7)])
      })
    }),
  )
}

/** Shows a recorder the frames of a stream that comes in chunks of one size; the number of times it said it is done. */
function record(first: FirstMessage, bytes: Buffer, chunkBytes: number): number {
  const reader = new FrameReader(true, Number.POSITIVE_INFINITY)
  let rest = Buffer.alloc(0)
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = Buffer.concat([rest, bytes.subarray(at, at + chunkBytes)])
    rest = Buffer.alloc(0)
    for (let offset = 0; offset < chunk.length; ) {
      const step = reader.read(chunk, offset)
      if (reader.inHeader) {
        rest = Buffer.from(chunk.subarray(chunk.length - reader.unread()))
        break
      }
      const start = offset
      offset = reader.position
      if (reader.opcode < OPCODE.CLOSE && first.see(reader, chunk, start, offset, step)) return 1
    }
    // A chunk is only lent.
    chunk.fill('~')
  }
  return 0
}

t.test('it is the first text message that is recorded, unmasked, in any fragments and chunks', async () => {
  const message = fc.record({
    text: fc.oneof(fc.constantFrom('', '{"token":"x"}'), fc.string({ unit: 'binary', maxLength: 40 })),
    binary: fc.boolean(),
    fragments: fc.integer({ min: 1, max: 4 }),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 4 }), fc.integer({ min: 1, max: 50 }), (messages, chunkBytes) => {
      const first = new FirstMessage(1000)
      const done = record(first, encode(messages), chunkBytes)
      const expected = messages.find(({ binary }) => !binary)?.text
      if (first.payload?.equals(Buffer.from(expected ?? '\0')) !== (expected === undefined ? undefined : true))
        throw new Error(`${first.payload} instead of ${expected}`)
      if (done !== (expected === undefined ? 0 : 1)) throw new Error('it did not say that it is done')
    }),
    { seed: 51, numRuns: 150 },
  )
})

t.test('a message of exactly the limit is recorded, and a larger one ends the recording without it', async t => {
  for (const fragments of [1, 3]) {
    const fits = new FirstMessage(9)
    t.equal(record(fits, encode([{ text: '123456789', fragments }]), 100), 1)
    t.equal(fits.payload?.toString(), '123456789')
    const large = new FirstMessage(8)
    t.equal(record(large, encode([{ text: '123456789', fragments }, { text: 'next' }]), 100), 1)
    t.equal(large.payload, undefined, 'a later message is not the first one')
  }
})

t.test('what is kept for the life of the connection takes no more memory than its bytes', async t => {
  const first = new FirstMessage(1000)
  record(first, encode([{ text: 'x'.repeat(300), fragments: 3 }]), 7)
  t.equal(first.payload?.length, 300)
  t.equal(first.payload?.buffer.byteLength, 300)
})
