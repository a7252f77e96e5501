/** A part of a {@link ByteBudget}, of one request or answer. */
export interface BudgetShare {
  /** Adds bytes that are held from now on. @returns false where the share has ended */
  add(bytes: number): boolean
  /** Releases all bytes; may be called twice. */
  end(): void
}

/**
 * Limits the bytes that all requests and answers hold together. Above it the oldest is aborted: Metacontroller sends and reads within
 * milliseconds, so slow callers cannot lock it out.
 */
export class ByteBudget {
  readonly #limit: number
  /** In the order in which they began, with how to abort each. */
  readonly #shares = new Map<BudgetShare, () => void>()
  #bytes = 0

  /** @param limit in bytes; one share alone may hold that much */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Bytes held now. */
  get bytes(): number {
    return this.#bytes
  }

  /** @param abort called at most once, when others need the bytes; the share has ended by then */
  begin(abort: () => void): BudgetShare {
    let held = 0
    const share: BudgetShare = {
      add: bytes => {
        if (!this.#shares.has(share)) return false
        held += bytes
        this.#bytes += bytes
        this.#makeRoom()
        return this.#shares.has(share)
      },
      end: () => {
        if (!this.#shares.delete(share)) return
        this.#bytes -= held
      },
    }
    this.#shares.set(share, abort)
    return share
  }

  #makeRoom(): void {
    for (const [share, abort] of this.#shares) {
      if (this.#bytes <= this.#limit) return
      share.end()
      abort()
    }
  }
}
