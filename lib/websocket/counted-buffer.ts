import type { ByteAllowance } from './byte-allowance.ts'
import { GrowingBuffer } from './growing-buffer.ts'

/** What a message that is kept costs beyond its bytes, for the objects that look after it: an estimate, on the safe side. */
const OVERHEAD_BYTES = 2048

/** Bytes of a message that come in pieces, in memory that is counted with that of all others. */
export class CountedBuffer {
  /** Memory that it takes. */
  bytes = 0
  readonly #room: ByteAllowance
  readonly #frames = new GrowingBuffer()

  constructor(room: ByteAllowance) {
    this.#room = room
  }

  /** Bytes that are kept. */
  get length(): number {
    return this.#frames.length
  }

  /**
   * Appends a copy of a part of a chunk.
   *
   * @param most bytes that can be expected in all, where that is known
   * @returns `false` where there is no room; then nothing has been appended
   */
  append(chunk: Buffer, start: number, end: number, most?: number): boolean {
    if (!this.reserve(this.#frames.capacityWith(end - start, most))) return false
    this.#frames.append(chunk, start, end, most)
    return true
  }

  /** Takes memory for so many bytes in all, if it has less. @returns `false` where there is no room */
  reserve(capacity: number): boolean {
    const had = this.#frames.capacity
    if (this.bytes > 0 && capacity <= had) return true
    // The old memory is there until its bytes have been copied, and some time after that.
    const bytes = this.bytes === 0 ? capacity + OVERHEAD_BYTES : capacity
    if (!this.#room.take(bytes, this.bytes)) return false
    this.#room.give(had)
    this.bytes += bytes - had
    this.#frames.reserve(capacity)
    return true
  }

  /** All bytes so far; not a copy. */
  view(): Buffer {
    return this.#frames.view()
  }

  /** Gives up what is kept. To be called once. */
  release(): Buffer {
    this.#room.give(this.bytes)
    this.bytes = 0
    return this.#frames.view()
  }
}
