/** Memory for held messages, shared by all connections. */
export interface ByteAllowance {
  /**
   * Asks for memory.
   *
   * @param bytes additional bytes
   * @param held bytes that the same message already has
   * @returns whether they may be taken
   */
  take(bytes: number, held: number): boolean
  /** Returns memory. */
  give(bytes: number): void
}

/** Share of the free memory that one message may take, so that large messages always leave room for small ones. */
const SHARE = 1 / 2

/** Account in which the memory is counted, together with that of other uses. */
export interface ByteAccount {
  /** @returns whether the bytes may be taken */
  take(bytes: number): boolean
  give(bytes: number): void
}

/** A fixed amount of memory, within an account that may have less. */
export class SharedByteAllowance implements ByteAllowance {
  /** Bytes taken now. */
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
