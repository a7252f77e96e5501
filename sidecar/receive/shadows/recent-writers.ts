/** A connection into the app that can tell when the app has read everything written to it. */
export interface Fenceable {
  fence(timeoutMs: number): Promise<boolean>
}

/** How long an app may take to read its input, in milliseconds; writers are remembered for one to two such periods. */
const KEEP_MS = 5000
/** Maximum number of users remembered per generation; beyond it, a new generation begins. */
const MAX_USERS = 50_000

/** Connections of this pod that recently wrote to a user: their app may not have read the message yet. */
export class RecentWriters {
  #young = new Map<string, Set<Fenceable>>()
  #old = new Map<string, Set<Fenceable>>()
  // A timer, because otherwise an idle pod would keep closed connections in memory.
  readonly #timer = setInterval(() => this.#age(), KEEP_MS)

  constructor() {
    this.#timer.unref()
  }

  /** Users of both generations; a user in both counts twice. */
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

  /** Resolves when the app has read everything written to the user, or the time is up. */
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
