import type { MemoryAccount } from './budget.ts'

/**
 * A part of the budget for a purpose outside client connections. It has its own bound: closing connections would not
 * free it, so it must never drive clients out.
 */
export class Allotment {
  /** Bytes taken now. */
  bytes = 0
  readonly maxBytes: number
  readonly #account: Pick<MemoryAccount, 'change'> | undefined

  /** @param account that counts the memory together with that of other uses */
  constructor(maxBytes: number, account?: Pick<MemoryAccount, 'change'>) {
    this.maxBytes = maxBytes
    this.#account = account
  }

  /** Whether `bytes` more fit. */
  has(bytes: number): boolean {
    return this.bytes + bytes <= this.maxBytes
  }

  /** Takes memory that is in use whether it fits or not; negative to give back. */
  change(bytes: number): void {
    this.bytes += bytes
    this.#account?.change(bytes)
  }
}
