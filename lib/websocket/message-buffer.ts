import type { AddressFinder, Unparsed } from './addressing/address-finder.ts'
import { CountedBuffer } from './counted-buffer.ts'
import { applyMask, FrameReader, STEP } from './frames.ts'

/**
 * `hold`: incomplete. `whole`: complete. `pass`: not addressed. Otherwise the reason why it cannot be held any longer.
 */
export type Verdict = 'hold' | 'whole' | 'pass' | 'no_room' | Unparsed

/**
 * Holds a message piece by piece until it is known whether it passes; each piece is parsed on arrival. Its frames are
 * stored unchanged, one after another.
 */
export class MessageBuffer {
  /** Steps of the clock for which it has been held. */
  age = 0
  readonly #finder: AddressFinder
  readonly #scan
  readonly #frames: CountedBuffer
  #payloadBytes = 0
  /** Bytes of the first header. Only headers of further frames count towards the size of the message. */
  #headerBytes = 0

  constructor(finder: AddressFinder) {
    this.#finder = finder
    this.#frames = new CountedBuffer(finder.room)
    this.#scan = finder.begin()
  }

  /** Memory taken. */
  get bytes(): number {
    return this.#frames.bytes
  }

  /**
   * Adds the bytes that a step of the reader has read, unless the verdict is `too_large` or `no_room`. The chunk stays
   * unchanged.
   */
  add(reader: FrameReader, chunk: Buffer, start: number, end: number, step: number): Verdict {
    const { maxBytes } = this.#finder
    const { remaining } = reader
    this.#headerBytes ||= end - start
    const size = this.#frames.length + end - start + remaining - this.#headerBytes
    if (size > maxBytes) return 'too_large'
    const most = reader.fin ? size + this.#headerBytes : undefined
    if (!this.#frames.append(chunk, start, end, most)) return 'no_room'
    if (step === STEP.MORE || step === STEP.END) {
      this.#payloadBytes += end - start
      const phase = reader.length - remaining - (end - start)
      if (!this.#finder.feed(this.#scan, chunk, start, end, reader.mask, phase))
        return this.#scan.tooDeep ? 'too_deep' : 'pass'
    }
    return reader.message === 0 ? 'whole' : 'hold'
  }

  /** The payload, unmasked; a copy. */
  payload(): Buffer {
    const frames = this.#frames.view()
    // These frames were already read once without error.
    const reader = new FrameReader(((frames[1] as number) & 0x80) !== 0, Number.POSITIVE_INFINITY)
    const payload = Buffer.allocUnsafeSlow(this.#payloadBytes)
    let length = 0
    for (let offset = 0; offset < frames.length; offset = reader.position) {
      if (reader.read(frames, offset) !== STEP.END) continue
      const start = length
      length += frames.copy(payload, length, offset, reader.position)
      applyMask(payload.subarray(start, length), reader.mask)
    }
    return payload
  }

  /** The address of the complete message. */
  addressIn(payload: Buffer) {
    return this.#finder.addressOf(this.#scan, payload)
  }

  /** Releases the message with its unchanged frames. Must be called only once. */
  release(): Buffer {
    return this.#frames.release()
  }
}

const OPEN_BRACE = 0x7b

/** Whether this header may begin a text message with a JSON object, as far as its bytes have arrived. */
export function mayBeAddressed(reader: FrameReader, chunk: Buffer, payload: number, step: number): boolean {
  if (step === STEP.EMPTY) return !reader.fin
  if (step !== STEP.HEADER) return false
  if (payload >= chunk.length) return true
  const first = (chunk[payload] as number) ^ (reader.mask >>> 24)
  return first === OPEN_BRACE || first === 0x20 || (first >= 0x09 && first <= 0x0d)
}
