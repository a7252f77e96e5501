import type { AddressFinder, Unparsed } from './addressing/address-finder.ts'
import type { Room } from './byte-allowance.ts'
import { applyMask, FrameReader, STEP } from './frames.ts'
import { GrowingBuffer } from './growing-buffer.ts'

/** What a held message costs beyond its bytes, for the objects that look after it: an estimate, on the safe side. */
const OVERHEAD_BYTES = 2048

/** `hold`: go on. `whole`: it has ended. `pass`: it is not addressed. Else why it cannot be held any longer. */
export type Verdict = 'hold' | 'whole' | 'pass' | 'no_room' | Unparsed

/**
 * A message that is held back as it comes, until it is known whether it passes, which is looked at with each piece. Its frames are kept
 * as they came, one after the other.
 */
export class Held {
  /** Steps of the clock for which it has been held. */
  age = 0
  readonly #finder: AddressFinder
  readonly #room: Room
  readonly #scan
  readonly #frames = new GrowingBuffer()
  #payloadBytes = 0
  /** Of the first header: only those of further frames count towards the size of the message. */
  #headerBytes = 0
  #taken = 0

  constructor(finder: AddressFinder) {
    this.#finder = finder
    this.#room = finder.room
    this.#scan = finder.begin()
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#taken
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
    if (!this.#reserve(end - start, reader.fin ? size + this.#headerBytes : undefined)) return 'no_room'
    this.#frames.append(chunk, start, end, reader.fin ? size + this.#headerBytes : undefined)
    if (step === STEP.MORE || step === STEP.END) {
      this.#payloadBytes += end - start
      const phase = reader.length - remaining - (end - start)
      if (!this.#finder.feed(this.#scan, chunk, start, end, reader.mask, phase))
        return this.#scan.tooDeep ? 'too_deep' : 'pass'
    }
    return reader.message === 0 ? 'whole' : 'hold'
  }

  #reserve(more: number, most: number | undefined): boolean {
    const capacity = this.#frames.capacityWith(more, most)
    if (this.#taken > 0 && capacity === this.#frames.capacity) return true
    // The old memory is there until its bytes have been copied, and some time after that.
    const bytes = this.#taken === 0 ? capacity + OVERHEAD_BYTES : capacity
    if (!this.#room.take(bytes, this.#taken)) return false
    this.#room.give(this.#frames.capacity)
    this.#taken += bytes - this.#frames.capacity
    return true
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
    this.#room.give(this.#taken)
    this.#taken = 0
    return this.#frames.view()
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
