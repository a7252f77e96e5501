/** A thing to do, when its turn has come. Never throws. */
type Work = () => Promise<unknown>

interface Options {
  /** Most of them under way at a time. */
  readonly concurrency: number
  /** Most of them begun in a second. */
  readonly perSecond: number
}

/** How often a second's share is given out, in milliseconds. */
const TICK_MS = 50

/**
 * Does things one after the other, not too many at a time and not too many in a second, so that what happens to many users at once
 * is no herd for whoever takes them.
 */
export class MoveQueue<K> {
  readonly #options: Options
  readonly #waiting = new Map<K, Work>()
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

  /** Puts a thing at the end of the queue; one with the same key that still waits is replaced. */
  add(key: K, work: Work): void {
    this.#waiting.set(key, work)
    this.#advance()
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
    for (const [key, work] of this.#waiting) {
      if (this.#running >= this.#options.concurrency) return
      if (this.#credit < 1) {
        this.#timer ??= setInterval(() => this.#earn(), TICK_MS)
        return
      }
      this.#credit--
      this.#waiting.delete(key)
      this.#running++
      void work().then(() => {
        this.#running--
        this.#advance()
      })
    }
    this.#timer ??= setInterval(() => this.#earn(), TICK_MS)
  }

  #earn(): void {
    const share = Math.max(1, (this.#options.perSecond * TICK_MS) / 1000)
    this.#credit = Math.min(share, this.#credit + (this.#options.perSecond * TICK_MS) / 1000)
    if (this.#waiting.size > 0) this.#advance()
    else if (this.#credit >= share) {
      clearInterval(this.#timer)
      this.#timer = undefined
    }
  }
}
