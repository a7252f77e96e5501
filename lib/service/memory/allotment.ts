import type { MemoryAccount } from './budget.ts'

/**
 * The part of a budget for one purpose that belongs to no client's connection. It has a bound of its own: nobody could be closed for
 * it, so that it must never drive clients out.
 */
export class Allotment {
  /** Taken now. */
  bytes = 0
  readonly maxBytes: number
  readonly #account: Pick<MemoryAccount, 'change'> | undefined

  /** @param account where it counts, together with what is taken for other things */
  constructor(maxBytes: number, account?: Pick<MemoryAccount, 'change'>) {
    this.maxBytes = maxBytes
    this.#account = account
  }

  /** Whether so many bytes more fit. */
  has(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes
  }

  /** Takes memory that is used whether it fits or not, or gives some back. */
  change(bytes: number): void {
    this.bytes += bytes
    this.#account?.change(bytes)
  }
}
