/** Uses of memory. */
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

/** Memory that one part of a program takes from the budget. */
export class MemoryAccount {
  bytes = 0
  readonly #budget: MemoryBudget

  constructor(budget: MemoryBudget) {
    this.#budget = budget
  }

  /** Takes memory if the budget is not full; takes nothing if it returns `false`. */
  take(bytes: number): boolean {
    if (this.#budget.isFull) return false
    this.change(bytes)
    return true
  }

  /** Gives memory back. */
  give(bytes: number): void {
    this.change(-bytes)
  }

  /** Takes memory that is in use even if the budget is full; negative to give back. */
  change(bytes: number): void {
    this.bytes += bytes
    this.#budget.used += bytes
  }

  /** Replaces the amount taken. */
  set(bytes: number): void {
    this.change(bytes - this.bytes)
  }
}

/** The memory that a process may use for everything it holds, queues and copies, and the amount in use. */
export class MemoryBudget {
  /** May be exceeded briefly, because some memory is known only after it is taken. */
  readonly bytes: number
  /** Sum of all accounts. */
  used = 0
  readonly accounts: Readonly<Record<MemoryKind, MemoryAccount>>

  constructor(bytes: number) {
    this.bytes = bytes
    this.accounts = Object.fromEntries(MEMORY_KINDS.map(kind => [kind, new MemoryAccount(this)])) as Record<
      MemoryKind,
      MemoryAccount
    >
  }

  /** The used fraction; above 1 if the budget is exceeded. */
  get fill(): number {
    return this.used / this.bytes
  }

  get isFull(): boolean {
    return this.used >= this.bytes
  }
}
