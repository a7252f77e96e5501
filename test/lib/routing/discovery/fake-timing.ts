import type { Timing } from '../../../../lib/routing/discovery/timing.ts'

/** A clock that tests move: sleeps are kept, and each ends when the test says so, or at once with `endAtOnce`. */
export class FakeTiming implements Timing {
  /** How long each sleep so far was to take, in milliseconds. */
  readonly sleeps: number[] = []
  readonly #endAtOnce: boolean
  readonly #random: number
  readonly #wake = new Set<() => void>()
  #now = 0

  constructor({ endAtOnce = false, random = 0.5 } = {}) {
    this.#endAtOnce = endAtOnce
    this.#random = random
  }

  /** How many are asleep. */
  get asleep(): number {
    return this.#wake.size
  }

  /** Ends all sleeps that there are now. */
  wake(): void {
    for (const end of this.#wake) end()
  }

  async sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.sleeps.push(ms)
    this.#now += ms
    if (signal.aborted) return
    // A turn of the event loop, so that a loop that only sleeps leaves room for everything else.
    if (this.#endAtOnce) return new Promise(resolve => setImmediate(resolve))
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#wake.add(resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
    await promise
    this.#wake.delete(resolve)
  }

  now(): number {
    return this.#now
  }

  random(): number {
    return this.#random
  }
}
