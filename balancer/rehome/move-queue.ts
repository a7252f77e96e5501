import { LinkedMap } from '../../lib/service/linked-map.ts'

/** A thing to do, when its turn has come. */
type Work = () => Promise<unknown>

interface Waiting {
  readonly work: Work
  /** When it begins whatever the limits, in ms of `performance.now()`. */
  readonly latest: number
}

interface Options {
  /** Most of them under way at a time. */
  readonly concurrency: number
  /** Most of them begun in a second. */
  readonly perSecond: number
  /** Called with what a thing throws: the others have their turn all the same. */
  readonly onError: (error: unknown) => void
}

/** How often a second's share is given out, and looked for what is late, in milliseconds. */
const TICK_MS = 50

/**
 * Does things one after the other, not too many at a time and not too many in a second, so that what happens to many users at once
 * is no herd for whoever takes them.
 */
export class MoveQueue<K> {
  readonly #options: Options
  readonly #waiting = new LinkedMap<K, Waiting>()
  #running = 0
  /** How many may begin now. */
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
   * Puts a thing at the end of the queue; one with the same key that still waits gives way to it.
   *
   * @param latest when its time is up (ms of `performance.now()`): then it begins, whatever the limits
   */
  add(key: K, work: Work, latest = Number.POSITIVE_INFINITY): void {
    this.#waiting.set(key, { work, latest })
    this.#advance()
  }

  /** Whether one with this key waits. */
  has(key: K): boolean {
    return this.#waiting.has(key)
  }

  delete(key: K): void {
    this.#waiting.delete(key)
  }

  /** Nothing that still waits is done. */
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
