import type { AddressFinder, Unparsed } from './addressing/address-finder.ts'
import { CountedBuffer } from './counted-buffer.ts'
import { applyMask, FrameReader, STEP } from './frames.ts'

/** `hold`: go on. `whole`: it has ended. `pass`: it is not addressed. Else why it cannot be held any longer. */
export type Verdict = 'hold' | 'whole' | 'pass' | 'no_room' | Unparsed

/**
 * A message that is held back as it comes, until it is known whether it passes, which is looked at with each piece. Its frames are kept
 * as they came, one after the other.
 */
export class MessageBuffer {
  /** Steps of the clock for which it has been held. */
  age = 0
  readonly #finder: AddressFinder
  readonly #scan
  readonly #frames: CountedBuffer
  #payloadBytes = 0
  /** Of the first header: only those of further frames count towards the size of the message. */
  #headerBytes = 0

  constructor(finder: AddressFinder) {
    this.#finder = finder
    this.#frames = new CountedBuffer(finder.room)
    this.#scan = finder.begin()
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#frames.bytes
  }

  /**
   * Takes what a step of the reader has read of a frame of the message, unless it is `too_large` or finds `no_room`. The chunk stays as
   * it is.
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

  /** Its payload, unmasked; a copy. */
  payload(): Buffer {
    const frames = this.#frames.view()
    // As they were read before: nothing can be wrong with them.
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

  /** Who it is addressed to, now that it is whole. */
  addressIn(payload: Buffer) {
    return this.#finder.addressOf(this.#scan, payload)
  }

  /** Gives up what is held, as it came. To be called once. */
  release(): Buffer {
    return this.#frames.release()
  }
}

const OPEN_BRACE = 0x7b

/** Whether this is the header of a text frame that can be the beginning of a JSON object, as far as its bytes are here. */
export function mayBeAddressed(reader: FrameReader, chunk: Buffer, payload: number, step: number): boolean {
  if (step === STEP.EMPTY) return !reader.fin
  if (step !== STEP.HEADER) return false
  if (payload >= chunk.length) return true
  const first = (chunk[payload] as number) ^ (reader.mask >>> 24)
  return first === OPEN_BRACE || first === 0x20 || (first >= 0x09 && first <= 0x0d)
}
