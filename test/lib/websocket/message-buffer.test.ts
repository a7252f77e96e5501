import fc from 'fast-check'
import t from 'tap'
import { AddressFinder } from '../../../lib/websocket/addressing/address-finder.ts'
import { type ByteAllowance, SharedByteAllowance } from '../../../lib/websocket/byte-allowance.ts'
import { encodeFrame, FrameReader, OPCODE, STEP } from '../../../lib/websocket/frames.ts'
import { MessageBuffer, type Verdict } from '../../../lib/websocket/message-buffer.ts'

const finderIn = (room: ByteAllowance, maxBytes = 1_048_576) =>
  new AddressFinder({ field: 'to', withId: true, maxBytes, room })

/** A message in frames that end where it is cut. */
function frames(text: string, cuts: readonly number[], masked: boolean): Buffer {
  const payload = Buffer.from(text)
  const places = [0, ...cuts.map(cut => cut % (payload.length + 1)).sort((a, b) => a - b), payload.length]
  return Buffer.concat(
    places.slice(1).map((end, n) => {
      const opcode = n === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION
      const frame = encodeFrame(opcode, payload.subarray(places[n], end), masked ? 0x01020304 * (n % 99) : undefined)
      if (n < places.length - 2) frame[0] = (frame[0] as number) & 0x7f
      return frame
    }),
  )
}

/** Gives the bytes to a message that is held, in chunks of one size. */
function hold(held: MessageBuffer, bytes: Buffer, masked: boolean, chunkBytes: number): Verdict {
  const reader = new FrameReader(masked, Number.POSITIVE_INFINITY)
  let verdict: Verdict = 'hold'
  let rest = Buffer.alloc(0)
  for (let at = 0; at < bytes.length && verdict === 'hold'; at += chunkBytes) {
    const chunk = Buffer.concat([rest, bytes.subarray(at, at + chunkBytes)])
    rest = Buffer.alloc(0)
    let offset = 0
    while (offset < chunk.length && verdict === 'hold') {
      const step = reader.read(chunk, offset)
      if (step === STEP.MORE && reader.inHeader) {
        rest = Buffer.from(chunk.subarray(chunk.length - reader.unread()))
        break
      }
      verdict = held.add(reader, chunk, offset, reader.position, step)
      offset = reader.position
    }
    chunk.fill('~')
  }
  return verdict
}

t.test('a message in any frames and chunks is held as it came, and read as what it is', async () => {
  const text = '{"to":"zo\\u00eb","id":7,"pad":"é\u{1f600}é\u{1f600}"}'
  fc.assert(
    fc.property(
      fc.array(fc.nat(), { maxLength: 8 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 60 }),
      (cuts, masked, chunk) => {
        const room = new SharedByteAllowance(1_000_000)
        const held = new MessageBuffer(finderIn(room))
        const bytes = frames(text, cuts, masked)
        const verdict = hold(held, bytes, masked, chunk)
        const payload = held.payload()
        const address = held.addressIn(payload)
        if (verdict !== 'whole' || payload.toString() !== text) throw new Error(`${verdict}: ${payload}`)
        if (address?.recipient !== 'zoë' || address.id !== 7) throw new Error(JSON.stringify(address))
        if (room.bytes < bytes.length) throw new Error('it counts less than it costs')
        if (!held.release().equals(bytes)) throw new Error('other frames')
        if (room.bytes !== 0) throw new Error(`${room.bytes} bytes are still taken`)
      },
    ),
    { seed: 41, numRuns: 500 },
  )
})

t.test('it is held no longer than it may be addressed', async t => {
  const verdict = (text: string, given: { room?: number; maxBytes?: number; cuts?: number[] } = {}) => {
    const { room = 10_000_000, maxBytes = 1000, cuts = [] } = given
    return hold(
      new MessageBuffer(finderIn(new SharedByteAllowance(room), maxBytes)),
      frames(text, cuts, true),
      true,
      10,
    )
  }
  t.equal(verdict('{"to":"bob"}'), 'whole')
  t.equal(verdict('{"to" "bob"}'), 'pass', 'no JSON')
  t.equal(verdict('[{"to":"bob"}]'), 'pass', 'no object')
  t.equal(verdict(`{"a":${'['.repeat(600)}`), 'too_deep')
  const sized = (bytes: number) => `{"to":"bob","pad":"${'x'.repeat(bytes - 21)}"}`
  t.equal(Buffer.byteLength(sized(1000)), 1000)
  t.equal(verdict(sized(1000)), 'whole')
  t.equal(verdict(sized(1001)), 'too_large')
  t.equal(verdict(sized(992), { cuts: [500] }), 'whole')
  t.equal(verdict(sized(993), { cuts: [500] }), 'too_large', 'the header of its second frame counts, which has 8 bytes')
  t.equal(verdict('', { cuts: Array(300).fill(0) }), 'too_large', 'so do frames with nothing in them')
  t.equal(verdict(sized(900), { room: 5000 }), 'no_room')
})

t.test('thousands of small frames cost little more than their bytes', async t => {
  const room = new SharedByteAllowance(10_000_000)
  const bytes = frames(`{"to":"bob","pad":"${'x'.repeat(3000)}"}`, [...Array(3000).keys()], true)
  t.equal(hold(new MessageBuffer(finderIn(room)), bytes, true, 7), 'whole')
  t.ok(room.bytes < 2 * bytes.length + 4096, `${room.bytes} bytes of memory for ${bytes.length}`)
})

t.test('of a frame that is large by its header nothing is held', async t => {
  const room = new SharedByteAllowance(10_000_000)
  const header = encodeFrame(OPCODE.TEXT, Buffer.alloc(1_048_577), 7).subarray(0, 14)
  t.equal(hold(new MessageBuffer(finderIn(room)), header, true, 14), 'too_large')
  t.equal(room.bytes, 0)
})
