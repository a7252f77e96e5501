import { setTimeout } from 'node:timers/promises'

/** Time and randomness for a source; tests replace them, so that they need not wait. */
export interface Timing {
  /** Resolves after `ms` milliseconds, or as soon as the signal is aborted. */
  sleep(ms: number, signal: AbortSignal): Promise<void>
  /** Milliseconds since an arbitrary start; never goes back. */
  now(): number
  /** At least 0, below 1. */
  random(): number
}

export const realTiming: Timing = {
  sleep: (ms, signal) => setTimeout(ms, undefined, { signal }).catch(() => {}),
  now: () => performance.now(),
  random: Math.random,
}

const FIRST_MS = 250
const LONGEST_MS = 30_000

/**
 * Waits longer after each consecutive failure, up to 30 s; jittered, so that many pods do not retry at the same moment.
 */
export class Backoff {
  readonly #timing: Timing
  #failures = 0

  constructor(timing: Timing) {
    this.#timing = timing
  }

  /** Waits between half and all of 250 ms × 2ⁿ, where n is the number of earlier failures. */
  async wait(signal: AbortSignal): Promise<void> {
    const ceiling = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures++)
    await this.#timing.sleep(ceiling * (0.5 + this.#timing.random() / 2), signal)
  }

  /** Must be called after a success. */
  reset(): void {
    this.#failures = 0
  }
}
