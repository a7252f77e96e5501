import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/**
 * Shortest and longest time between two collections, in milliseconds: each stops the process for some tens of
 * milliseconds.
 */
const LEAST_PAUSE_MS = 1000
const MOST_PAUSE_MS = 60_000
/** A collection that frees less was useless and lengthens the pause before the next one. */
const USEFUL_BYTES = 8 << 20

export interface Collecting {
  /** Collects all garbage now. */
  collect(): void
  /** Resident memory, in bytes. */
  resident(): number
  /** Monotonic time in milliseconds. */
  now(): number
}

/** V8's own collector, which is only exposed on request. */
function v8Collecting(): Collecting {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return { collect, resident: process.memoryUsage.rss, now: () => performance.now() }
}

/**
 * Triggers V8's garbage collection when it seems useful. V8 waits until its heap is large, but the memory of buffers
 * lies outside the heap: released buffers would keep a container at its limit.
 */
export class Collector {
  readonly #by: Collecting
  #pauseMs = LEAST_PAUSE_MS
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(by: Collecting = v8Collecting()) {
    this.#by = by
  }

  /** Collects, unless it did so recently or recent collections were useless. Returns whether it did. */
  tryToCollect(): boolean {
    const { now, resident, collect } = this.#by
    if (now() < this.#notBefore) return false
    const before = resident()
    collect()
    const wasUseful = before - resident() >= USEFUL_BYTES
    this.#pauseMs = wasUseful ? LEAST_PAUSE_MS : Math.min(MOST_PAUSE_MS, this.#pauseMs * 2)
    this.#notBefore = now() + this.#pauseMs
    return true
  }
}
