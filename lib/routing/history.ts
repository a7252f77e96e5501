import type { Member } from './members.ts'
import { MemberSet } from './rendezvous.ts'

interface Options {
  /** How long a replaced member set is remembered, in milliseconds. */
  readonly keepMs?: number
  /** Monotonic time in milliseconds. */
  readonly now?: () => number
}

/** Maximum number of remembered sets, so that a list that keeps changing cannot exhaust memory. */
const MAX_SETS = 16

/** Earlier member sets, for as long as other programs may still act on them. */
export class MemberHistory {
  readonly #keepMs: number
  readonly #now: () => number
  #current = MemberSet.empty
  /** Newest first, with the time at which each was replaced. */
  #earlier: { readonly set: MemberSet; readonly until: number }[] = []
  /** When each current member was added. */
  #since = new Map<string, number>()
  #changedAt = Number.NEGATIVE_INFINITY
  /** When members first became known after a time without any. */
  #knownSince: number | undefined

  constructor({ keepMs = 60_000, now = () => performance.now() }: Options = {}) {
    this.#keepMs = keepMs
    this.#now = now
  }

  /** Must be called with the members at the start and after every change. */
  record(members: MemberSet): void {
    const now = this.#now()
    if (this.#current.size > 0) {
      this.#earlier = [{ set: this.#current, until: now }, ...this.#recent()].slice(0, MAX_SETS)
    }
    this.#changedAt = now
    this.#knownSince = members.size > 0 ? (this.#knownSince ?? now) : undefined
    this.#since = new Map(members.members.map(({ name }) => [name, this.#since.get(name) ?? now]))
    this.#current = members
  }

  /** Whether the members changed, or first became known, within the last `ms` milliseconds. */
  changedWithin(ms: number): boolean {
    return this.#now() - this.#changedAt <= ms
  }

  /**
   * Whether no member is known, or none was until `ms` milliseconds ago: there may be others that no list contains yet.
   */
  isNew(ms: number): boolean {
    return this.#knownSince === undefined || this.#now() - this.#knownSince <= ms
  }

  /** Owners of a key under earlier sets that differ from its current owner, newest first, without repetition. */
  formerOwners(key: string): Member[] {
    const owner = this.#current.owner(key)?.name
    const found = new Map<string, Member>()
    for (const { set } of this.#recent()) {
      const former = set.owner(key)
      if (former && former.name !== owner && !found.has(former.name)) found.set(former.name, former)
    }
    return [...found.values()]
  }

  /** A member of the current set or an earlier one. */
  get(name: string): Member | undefined {
    const sets = [this.#current, ...this.#recent().map(({ set }) => set)]
    for (const set of sets) {
      const member = set.get(name)
      if (member) return member
    }
    return undefined
  }

  /** The current members that have existed for more than `ms` milliseconds. */
  settled(ms: number): MemberSet {
    const now = this.#now()
    const old = this.#current.members.filter(({ name }) => now - (this.#since.get(name) ?? now) > ms)
    return old.length === this.#current.size ? this.#current : MemberSet.of(old, this.#current)
  }

  #recent() {
    const oldest = this.#now() - this.#keepMs
    return this.#earlier.filter(({ until }) => until >= oldest)
  }
}
