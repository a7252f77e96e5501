/** Pause before a remaining connection is asked again, in milliseconds. */
export const ASK_AGAIN_MS = 2000

/**
 * When each connection is asked to move: once, evenly spread over a span of time, and again after a pause. Times are
 * milliseconds since the start of the schedule.
 */
export class AskSchedule<T extends object> {
  readonly #total: number
  readonly #spanMs: number
  readonly #stepMs: number
  /** Time of the next request for each connection that was asked. */
  readonly #dueAt = new WeakMap<T, number>()
  #asked = 0

  /**
   * @param total number of connections at the start
   * @param spanMs time in which all of them are asked once
   * @param stepMs interval of the calls of {@link take}
   */
  constructor(total: number, spanMs: number, stepMs: number) {
    this.#total = total
    this.#spanMs = spanMs
    this.#stepMs = stepMs
  }

  /** The connections to ask now, oldest first; each call counts them as asked. */
  take(connections: Iterable<T>, nowMs: number): T[] {
    const due: T[] = []
    for (const connection of connections) {
      if (!this.#isDue(connection, nowMs)) continue
      this.#dueAt.set(connection, nowMs + ASK_AGAIN_MS)
      due.push(connection)
    }
    return due
  }

  #isDue(connection: T, nowMs: number): boolean {
    const dueAt = this.#dueAt.get(connection)
    if (dueAt !== undefined) return nowMs >= dueAt
    if (this.#asked >= this.#quota(nowMs)) return false
    this.#asked++
    return true
  }

  /** Number of connections that may have been asked by the next step. */
  #quota(nowMs: number): number {
    if (nowMs >= this.#spanMs) return Number.POSITIVE_INFINITY
    return Math.ceil((this.#total * (nowMs + this.#stepMs)) / this.#spanMs)
  }
}
