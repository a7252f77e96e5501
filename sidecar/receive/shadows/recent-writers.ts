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
  #young = new Map<string, Set<Fenceable>>()
  #old = new Map<string, Set<Fenceable>>()
  // A timer, because a pod on which nothing is written any more would keep closed connections.
  readonly #timer = setInterval(() => this.#age(), KEEP_MS)

  constructor() {
    this.#timer.unref()
  }

  /** Users of both spans; one that is in both counts twice. */
  get users(): number {
    return this.#young.size + this.#old.size
  }

  note(user: string, writer: Fenceable): void {
    const writers = this.#young.get(user)
    if (writers) {
      writers.add(writer)
      return
    }
    if (this.#young.size >= MAX_USERS) this.#age()
    this.#young.set(user, new Set([writer]))
  }

  of(user: string): ReadonlySet<Fenceable> {
    return new Set([...(this.#old.get(user) ?? []), ...(this.#young.get(user) ?? [])])
  }

  /** Resolves when the app has read all that it was sent for a user, or is too slow. */
  async settle(user: string, timeoutMs: number): Promise<void> {
    await Promise.all(Array.from(this.of(user), writer => writer.fence(timeoutMs)))
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #age(): void {
    this.#old = this.#young
    this.#young = new Map()
  }
}
