const FIRST_RETRY_MS = 5
const LAST_RETRY_MS = 30_000

/**
 * Work by key: a key that is added again while its work runs is worked on once more afterwards, never twice at a time. Work that
 * fails is repeated after 5 ms, 10 ms, 20 ms, …
 */
export class Queue {
  readonly #work: (key: string) => Promise<void>
  readonly #waiting = new Set<string>()
  readonly #running = new Map<string, Promise<void>>()
  readonly #failures = new Map<string, number>()
  readonly #timers = new Set<NodeJS.Timeout>()
  #state: 'filling' | 'running' | 'stopped' = 'filling'

  constructor(work: (key: string) => Promise<void>) {
    this.#work = work
  }

  add(key: string): void {
    if (this.#state === 'stopped') return
    this.#waiting.add(key)
    if (this.#state === 'running') this.#next(key)
  }

  addAfter(key: string, delayMs: number): void {
    if (this.#state === 'stopped') return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.add(key)
    }, delayMs)
    this.#timers.add(timer)
  }

  /** Starts with what was added so far. */
  run(): void {
    this.#state = 'running'
    for (const key of this.#waiting) this.#next(key)
  }

  /** Resolves when nothing waits and nothing runs; work that is due later does not count. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running.values())
  }

  /** Takes nothing more and waits for the work that runs. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    for (const timer of this.#timers) clearTimeout(timer)
    this.#waiting.clear()
    await Promise.all(this.#running.values())
  }

  #next(key: string): void {
    if (this.#running.has(key) || !this.#waiting.delete(key)) return
    const done = this.#work(key).then(
      () => {
        this.#failures.delete(key)
      },
      () => {
        const failures = this.#failures.get(key) ?? 0
        this.#failures.set(key, failures + 1)
        this.addAfter(key, Math.min(FIRST_RETRY_MS * 2 ** failures, LAST_RETRY_MS))
      },
    )
    this.#running.set(
      key,
      done.then(() => {
        this.#running.delete(key)
        this.#next(key)
      }),
    )
  }
}
