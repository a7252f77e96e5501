/** Memory for messages that are held; all connections share it. */
export interface Room {
  /**
   * Asks for memory.
   *
   * @param bytes how much more
   * @param held what the same message has already
   * @returns whether it may be taken
   */
  take(bytes: number, held: number): boolean
  /** Gives back what was taken. */
  give(bytes: number): void
}

/** One message may have this part of what all others leave: however many are large, there is room for small ones. */
const SHARE = 1 / 2

/** A fixed amount of memory. */
export class SharedRoom implements Room {
  /** Taken now. */
  bytes = 0
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  take(bytes: number, held: number): boolean {
    const left = this.#maxBytes - this.bytes
    if (bytes > left || held + bytes > (left + held) * SHARE) return false
    this.bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.bytes -= bytes
  }
}
