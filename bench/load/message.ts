import { RECIPIENT_FIELD } from '../../lib/service/names.ts'
import { maskedFrame, TEXT } from './frames.ts'

/** Random in a browser; here one value does, but not 0, which would be no mask at all. */
export const MASK = 0x5ac39e71

/** Hexadecimal digits that say which message of its sender this is. */
const SEQUENCE_DIGITS = 8

/** Four hexadecimal digits as the word that their ASCII codes make, so that a number becomes text by two look-ups. */
const DIGITS = Uint32Array.from({ length: 65_536 }, (_, n) =>
  Buffer.from(n.toString(16).padStart(4, '0'), 'latin1').readUInt32BE(0),
)

/**
 * The payload of all messages of a sender: JSON text of a fixed size, with a place for the sequence number.
 *
 * @returns `sequenceAt` a multiple of four, so that the mask is the same for every message
 */
export function payloadOf(user: string, recipient: string | undefined, bytes: number) {
  const start = `{${recipient === undefined ? '' : `"${RECIPIENT_FIELD}":"${recipient}",`}"text":"${user} `
  const head = start.padEnd(Math.ceil(start.length / 4) * 4, '.')
  const filler = bytes - head.length - SEQUENCE_DIGITS - 2
  if (filler < 0) throw new Error(`a message of ${user} does not fit into ${bytes} bytes`)
  return {
    payload: Buffer.from(`${head}${'0'.repeat(SEQUENCE_DIGITS)}${'x'.repeat(filler)}"}`),
    sequenceAt: head.length,
  }
}

/** The messages of one sender, in which only the sequence number differs. */
export class Messages {
  readonly #payload: Buffer
  readonly #sequenceAt: number
  /** Whole frames, one after the other: a slot is used again when its message has come back. */
  readonly #slots: Buffer
  readonly #frameBytes: number

  /**
   * @param recipient whom the messages are addressed to; `undefined`: nobody
   * @param bytes of a payload
   * @param slots how many messages can be on their way
   */
  constructor(user: string, recipient: string | undefined, bytes: number, slots: number) {
    const { payload, sequenceAt } = payloadOf(user, recipient, bytes)
    const frame = maskedFrame(TEXT, payload, MASK)
    this.#payload = payload
    this.#sequenceAt = sequenceAt
    this.#slots = Buffer.alloc(frame.length * slots, frame)
    this.#frameBytes = frame.length
  }

  /** The frames of up to `count` messages from number `first` on; fewer where the slots begin again. */
  frames(first: number, count: number): Buffer {
    const start = (first * this.#frameBytes) % this.#slots.length
    const end = Math.min(start + count * this.#frameBytes, this.#slots.length)
    const sequenceAt = this.#frameBytes - this.#payload.length + this.#sequenceAt
    for (let at = start, sequence = first; at < end; at += this.#frameBytes, sequence++) {
      this.#slots.writeUInt32BE((DIGITS[sequence >>> 16]! ^ MASK) >>> 0, at + sequenceAt)
      this.#slots.writeUInt32BE((DIGITS[sequence & 0xffff]! ^ MASK) >>> 0, at + sequenceAt + 4)
    }
    return this.#slots.subarray(start, end)
  }

  /** How many messages some frames are. */
  count(frames: Buffer): number {
    return frames.length / this.#frameBytes
  }

  /**
   * Reads the sequence number of a message that has arrived.
   *
   * @param likely the number that comes next if nothing is wrong
   * @returns -1 if this message was never sent
   */
  read(bytes: Buffer, start: number, length: number, likely: number): number {
    if (length !== this.#payload.length) return -1
    if (this.#equals(bytes, start, likely)) return likely
    const digits = bytes.toString('latin1', start + this.#sequenceAt, start + this.#sequenceAt + SEQUENCE_DIGITS)
    if (!/^[0-9a-f]+$/.test(digits)) return -1
    const sequence = Number.parseInt(digits, 16)
    return this.#equals(bytes, start, sequence) ? sequence : -1
  }

  #equals(bytes: Buffer, start: number, sequence: number): boolean {
    this.#payload.writeUInt32BE(DIGITS[sequence >>> 16]!, this.#sequenceAt)
    this.#payload.writeUInt32BE(DIGITS[sequence & 0xffff]!, this.#sequenceAt + 4)
    return bytes.compare(this.#payload, 0, this.#payload.length, start, start + this.#payload.length) === 0
  }
}
