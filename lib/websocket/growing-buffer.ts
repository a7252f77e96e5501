/** Smallest memory that is taken. */
const MIN_BYTES = 256

/** Bytes that come in pieces, in one place: thousands of small pieces take little more than their size. */
export class GrowingBuffer {
  length = 0
  #memory: Buffer = Buffer.alloc(0)

  /** Bytes of memory that it takes. */
  get capacity(): number {
    return this.#memory.length
  }

  /**
   * The memory that it takes with more bytes in it.
   *
   * @param most bytes that can be expected in all, where that is known
   */
  capacityWith(more: number, most = Number.POSITIVE_INFINITY): number {
    const bytes = this.length + more
    if (bytes <= this.capacity) return this.capacity
    return Math.max(bytes, Math.min(most, Math.max(MIN_BYTES, 2 * this.capacity)))
  }

  /** Appends a copy of a part of a chunk. @param most as in {@link capacityWith} */
  append(chunk: Buffer, start: number, end: number, most?: number): void {
    this.reserve(this.capacityWith(end - start, most))
    this.length += chunk.copy(this.#memory, this.length, start, end)
  }

  /** Takes memory for so many bytes in all, if it has less. */
  reserve(capacity: number): void {
    if (capacity <= this.capacity) return
    // Not from the pool that small buffers share: this may last.
    const memory = Buffer.allocUnsafeSlow(capacity)
    this.#memory.copy(memory, 0, 0, this.length)
    this.#memory = memory
  }

  /** All bytes so far; not a copy. */
  view(): Buffer {
    return this.#memory.subarray(0, this.length)
  }
}
