import { LinkedMap } from '../../lib/service/linked-map.ts'

/** A task to run when its turn comes. */
type Work = () => Promise<unknown>

interface Waiting {
  readonly work: Work
  /** Time at which the task starts regardless of the limits, in ms of `performance.now()`. */
  readonly latest: number
}

interface Options {
  /** Maximum number of tasks that run at a time. */
  readonly concurrency: number
  /** Maximum number of tasks started per second. */
  readonly perSecond: number
  /** Called with the error that a task throws; the other tasks still run. */
  readonly onError: (error: unknown) => void
}

/** Interval at which credit is granted and overdue tasks are started, in milliseconds. */
const TICK_MS = 50

/**
 * Runs tasks in order, limited in concurrency and rate, so that moving many users at once does not overload the members
 * that take them.
 */
export class MoveQueue<K> {
  readonly #options: Options
  readonly #waiting = new LinkedMap<K, Waiting>()
  #running = 0
  /** Number of tasks that may start now. */
  #credit: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: Options) {
    this.#options = options
    this.#credit = Math.max(1, (options.perSecond * TICK_MS) / 1000)
  }

  get size(): number {
    return this.#waiting.size + this.#running
  }

  /**
   * Appends a task; it replaces a waiting task with the same key.
   *
   * @param latest time at which the task starts regardless of the limits (ms of `performance.now()`)
   */
  add(key: K, work: Work, latest = Number.POSITIVE_INFINITY): void {
    this.#waiting.set(key, { work, latest })
    this.#advance()
  }

  /** Whether a task with this key is waiting. */
  has(key: K): boolean {
    return this.#waiting.has(key)
  }

  delete(key: K): void {
    this.#waiting.delete(key)
  }

  /** Drops all waiting tasks. */
  clear(): void {
    this.#waiting.clear()
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #advance(): void {
    for (const [key, { work }] of this.#waiting) {
      if (this.#running >= this.#options.concurrency || this.#credit < 1) break
      this.#credit--
      this.#begin(key, work)
    }
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS)
  }

  #begin(key: K, work: Work): void {
    this.#waiting.delete(key)
    this.#running++
    void this.#run(work)
  }

  async #run(work: Work): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#running--
      this.#advance()
    }
  }

  #tick(): void {
    const now = performance.now()
    for (const [key, { work, latest }] of this.#waiting) if (latest <= now) this.#begin(key, work)
    const share = Math.max(1, (this.#options.perSecond * TICK_MS) / 1000)
    this.#credit = Math.min(share, this.#credit + (this.#options.perSecond * TICK_MS) / 1000)
    if (this.#waiting.size > 0) this.#advance()
    else if (this.#credit >= share) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
