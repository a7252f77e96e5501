/** Memory for messages that are held; all connections share it. */
export interface ByteAllowance {
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

/** Where memory that is taken is counted, together with what is taken for other things. */
export interface ByteAccount {
  /** @returns whether it may be taken */
  take(bytes: number): boolean
  give(bytes: number): void
}

/** A fixed amount of memory, of an account that may have less. */
export class SharedByteAllowance implements ByteAllowance {
  /** Taken now. */
  bytes = 0
  readonly #maxBytes: number
  readonly #account: ByteAccount | undefined

  constructor(maxBytes: number, account?: ByteAccount) {
    this.#maxBytes = maxBytes
    this.#account = account
  }

  take(bytes: number, held: number): boolean {
    const left = this.#maxBytes - this.bytes
    if (bytes > left || held + bytes > (left + held) * SHARE) return false
    if (this.#account?.take(bytes) === false) return false
    this.bytes += bytes
    return true
  }

  give(bytes: number): void {
    this.bytes -= bytes
    this.#account?.give(bytes)
  }
}
