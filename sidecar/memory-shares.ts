import { Allotment } from '../lib/service/memory/allotment.ts'
import { type MemoryAccount, MemoryBudget } from '../lib/service/memory/budget.ts'

/** Memory that belongs to no client of this pod: a limit per purpose, as a share of the process's budget. */
export interface MemoryShares {
  readonly budget: MemoryBudget
  /** Users of this and other pods, and their locations. */
  readonly locations: Allotment
  /** Connections into the app that stand for clients of other pods. */
  readonly senders: Allotment
  /** Announcements pending for other members. */
  readonly announcements: Allotment
  /** Record of other members' messages that may be repeated. */
  readonly deduplication: Allotment
  /** Links in both directions. */
  readonly links: Allotment
}

export function memoryShares(budget: MemoryBudget): MemoryShares {
  const { messages, locations, deduplication } = budget.accounts
  const share = (part: number, account: MemoryAccount) => new Allotment(budget.bytes * part, account)
  return {
    budget,
    locations: share(1 / 4, locations),
    senders: share(1 / 4, messages),
    announcements: share(1 / 16, messages),
    deduplication: share(1 / 8, deduplication),
    links: share(1 / 4, messages),
  }
}

/** Shares without bounds. */
export const unlimitedShares = (): MemoryShares => memoryShares(new MemoryBudget(Number.POSITIVE_INFINITY))
