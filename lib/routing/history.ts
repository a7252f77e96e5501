import type { Member } from './members.ts'
import { MemberSet } from './rendezvous.ts'

interface Options {
  /** How long a set of members is remembered after another has taken its place, in milliseconds. */
  readonly keepMs?: number
  /** Milliseconds that never go back. */
  readonly now?: () => number
}

/** Most earlier sets that are remembered: a list that changes all the time must not take all the memory. */
const MAX_SETS = 16

/** Who the members were, for as long as somebody may still go by it. */
export class MemberHistory {
  readonly #keepMs: number
  readonly #now: () => number
  #current = MemberSet.empty
  /** Newest first, with the time at which each was replaced. */
  #earlier: { readonly set: MemberSet; readonly until: number }[] = []
  /** When each member of now was added. */
  #since = new Map<string, number>()
  #changedAt = Number.NEGATIVE_INFINITY
  /** When the first members became known after a time without any. */
  #knownSince: number | undefined

  constructor({ keepMs = 60_000, now = () => performance.now() }: Options = {}) {
    this.#keepMs = keepMs
    this.#now = now
  }

  /** To be called with the members at the start, and after every change. */
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

  /** Whether the members have changed, or were first known, within so many milliseconds. */
  changedWithin(ms: number): boolean {
    return this.#now() - this.#changedAt <= ms
  }

  /** Whether no member is known, or none was until so many milliseconds ago: others may be there that no list has yet. */
  isNew(ms: number): boolean {
    return this.#knownSince === undefined || this.#now() - this.#knownSince <= ms
  }

  /** The owners of a key under earlier sets that are not today's, newest first, each once. */
  formerOwners(key: string): Member[] {
    const owner = this.#current.owner(key)?.name
    const found = new Map<string, Member>()
    for (const { set } of this.#recent()) {
      const former = set.owner(key)
      if (former && former.name !== owner && !found.has(former.name)) found.set(former.name, former)
    }
    return [...found.values()]
  }

  /** A member of now or of an earlier set. */
  get(name: string): Member | undefined {
    const sets = [this.#current, ...this.#recent().map(({ set }) => set)]
    for (const set of sets) {
      const member = set.get(name)
      if (member) return member
    }
    return undefined
  }

  /** The members of now that were there so many milliseconds ago. */
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
