/** Smallest allocation, in bytes. */
const MIN_BYTES = 256

/** Collects pieces in one contiguous buffer: thousands of small pieces take little more than their size. */
export class GrowingBuffer {
  length = 0
  #memory: Buffer = Buffer.alloc(0)

  /** Bytes of memory taken. */
  get capacity(): number {
    return this.#memory.length
  }

  /**
   * Returns the memory needed after appending more bytes.
   *
   * @param most bytes expected in total, if known
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

  /** Ensures a total capacity in bytes. */
  reserve(capacity: number): void {
    if (capacity <= this.capacity) return
    // Not from the pool of small buffers, because this buffer may live long.
    const memory = Buffer.allocUnsafeSlow(capacity)
    this.#memory.copy(memory, 0, 0, this.length)
    this.#memory = memory
  }

  /** All bytes so far; not a copy. */
  view(): Buffer {
    return this.#memory.subarray(0, this.length)
  }
}
