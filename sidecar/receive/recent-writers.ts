/** A connection into the app that can tell when the app has read all that was written to it. */
export interface Fenceable {
  fence(timeoutMs: number): Promise<boolean>
}

/** How long an app may take to read what it was sent, in milliseconds; remembered for once to twice as long. */
const KEEP_MS = 5000
/** Users that are remembered of each of the two spans; with more, a new one begins. */
const MAX_USERS = 50_000

/** Which connections of this pod have written to a user a moment ago: their app may not have read it. */
export class RecentWriters {
  readonly #now: () => number
  #young = new Map<string, Set<Fenceable>>()
  #old = new Map<string, Set<Fenceable>>()
  #since: number

  /** @param now milliseconds on any clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
    this.#since = now()
  }

  note(user: string, writer: Fenceable): void {
    this.#age()
    const writers = this.#young.get(user)
    if (writers) writers.add(writer)
    else this.#young.set(user, new Set([writer]))
  }

  of(user: string): ReadonlySet<Fenceable> {
    this.#age()
    return new Set([...(this.#old.get(user) ?? []), ...(this.#young.get(user) ?? [])])
  }

  /** Resolves when the app has read all that it was sent for a user, or is too slow. */
  async settle(user: string, timeoutMs: number): Promise<void> {
    await Promise.all(Array.from(this.of(user), writer => writer.fence(timeoutMs)))
  }

  #age(): void {
    const now = this.#now()
    const elapsed = now - this.#since
    if (elapsed < KEEP_MS && this.#young.size < MAX_USERS) return
    this.#old = elapsed < 2 * KEEP_MS ? this.#young : new Map()
    this.#young = new Map()
    this.#since = now
  }
}
