import fc from 'fast-check'
import { SharedByteAllowance } from '../../../../lib/websocket/byte-allowance.ts'
import { encodeFrame, OPCODE } from '../../../../lib/websocket/frames.ts'
import type { Direction } from '../../../../lib/websocket/message.ts'
import { finderIn } from './pipe-run.ts'

export const cut = (bytes: Buffer, cuts: readonly number[]): Buffer[] => {
  const places = [...new Set(cuts.map(place => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [...places, bytes.length]
    .map((end, n) => bytes.subarray(n === 0 ? 0 : (places[n - 1] as number), end))
    .filter(part => part.length > 0)
}

const payload = fc.oneof(
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '{"recipientId":"bob","text":"x"}',
      ' {"recipientId":"zoë"}',
      `{"recipientId":"bob","pad":"${'x'.repeat(300)}"}`,
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom('', 'hi', '{"a":1}', '{"recipientId":1}', '[1]', `{"pad":"${'y'.repeat(70_000)}"}`),
  },
  fc.string({ maxLength: 20 }),
)
export const message = fc.record({
  text: payload,
  binary: fc.boolean(),
  fragments: fc.integer({ min: 1, max: 3 }),
  control: fc.constantFrom('', 'ping', 'pong'),
  mask: fc.nat(0xffffffff),
})
export type Sent = typeof message extends fc.Arbitrary<infer M> ? M : never

export function encode(sent: readonly Sent[], direction: Direction): Buffer {
  const parts: Buffer[] = []
  for (const { text, binary, fragments, control, mask } of sent) {
    const data = Buffer.from(text)
    const key = direction === 'inbound' ? mask : undefined
    for (let n = 0; n < fragments; n++) {
      const piece = data.subarray((n * data.length) / fragments, ((n + 1) * data.length) / fragments)
      const frame = encodeFrame(n > 0 ? OPCODE.CONTINUATION : binary ? OPCODE.BINARY : OPCODE.TEXT, piece, key)
      if (n < fragments - 1) frame[0] = (frame[0] as number) & 0x7f
      parts.push(frame)
      if (control) parts.push(encodeFrame(control === 'ping' ? OPCODE.PING : OPCODE.PONG, Buffer.from(`c${n}`), key))
    }
  }
  return Buffer.concat(parts)
}

export const isAddressed = ({ text, binary }: Sent) =>
  !binary && finderIn(new SharedByteAllowance(0)).find(Buffer.from(text)) !== undefined
export const shown = ({ text, binary }: { text: string; binary: boolean }) =>
  `${binary ? 'b' : 't'}${Buffer.from(text).toString('latin1')}`
export const both = fc.constantFrom<Direction>('inbound', 'outbound')
export const cuts = fc.array(fc.nat(), { maxLength: 12 })
