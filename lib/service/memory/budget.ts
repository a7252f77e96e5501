/** What memory is taken for. */
export const MEMORY_KINDS = [
  'connections',
  'queues',
  'sockets',
  'held',
  'messages',
  'locations',
  'deduplication',
  'unaccounted',
] as const
export type MemoryKind = (typeof MEMORY_KINDS)[number]

/** What one part of a program takes of the budget. */
export class MemoryAccount {
  bytes = 0
  readonly #budget: MemoryBudget

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  /** Takes memory where there is some; nothing is taken where it returns `false`. */
  take(bytes: number): boolean {
    if (this.#budget.isFull) return false
    this.change(bytes)
    return true
  }

  /** Gives back what was taken. */
  give(bytes: number): void {
    this.change(-bytes)
  }

  /** Takes memory that is used whether there is some or not, or gives some back. */
  change(bytes: number): void {
    this.bytes += bytes
    this.#budget.used += bytes
  }

  /** Takes so much instead of what it had. */
  set(bytes: number): void {
    this.change(bytes - this.bytes)
  }
}

/** What all that one process holds, queues and copies for others may take, and does take. */
export class MemoryBudget {
  /** May be exceeded for a moment: some of what is taken is known only afterwards. */
  readonly bytes: number
  /** Of all accounts. */
  used = 0
  readonly accounts: Readonly<Record<MemoryKind, MemoryAccount>>

  constructor(bytes: number) {
    this.bytes = bytes
    this.accounts = Object.fromEntries(MEMORY_KINDS.map(kind => [kind, new MemoryAccount(this)])) as Record<
      MemoryKind,
      MemoryAccount
    >
  }

  /** Part of it that is taken; above 1 where it is exceeded. */
  get fill(): number {
    return this.used / this.bytes
  }

  get isFull(): boolean {
    return this.used >= this.bytes
  }
}
