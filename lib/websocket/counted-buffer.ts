import type { ByteAllowance } from './byte-allowance.ts'
import { GrowingBuffer } from './growing-buffer.ts'

/** Overhead of a buffered message for its objects; a conservative estimate. */
const OVERHEAD_BYTES = 2048

/** Collects a message that arrives in pieces; its memory counts towards a shared allowance. */
export class CountedBuffer {
  /** Memory taken. */
  bytes = 0
  readonly #room: ByteAllowance
  readonly #frames = new GrowingBuffer()

  constructor(room: ByteAllowance) {
    this.#room = room
  }

  /** Bytes stored. */
  get length(): number {
    return this.#frames.length
  }

  /**
   * Appends a copy of a part of a chunk.
   *
   * @param most bytes expected in total, if known
   * @returns `false` if there is no room; then nothing has been appended
   */
  append(chunk: Buffer, start: number, end: number, most?: number): boolean {
    if (!this.reserve(this.#frames.capacityWith(end - start, most))) return false
    this.#frames.append(chunk, start, end, most)
    return true
  }

  /** Ensures a total capacity in bytes. @returns `false` if there is no room */
  reserve(capacity: number): boolean {
    const had = this.#frames.capacity
    if (this.bytes > 0 && capacity <= had) return true
    // The old memory remains until its bytes are copied, and for some time after that.
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

  /** Releases the memory and returns the bytes. Must be called only once. */
  release(): Buffer {
    this.#room.give(this.bytes)
    this.bytes = 0
    return this.#frames.view()
  }
}
