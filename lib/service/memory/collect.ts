import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Shortest and longest time between two collections, in milliseconds: each stops the process for some tens of milliseconds. */
const LEAST_PAUSE_MS = 1000
const MOST_PAUSE_MS = 60_000
/** A collection that has freed less was of no use, and the next one has more time. */
const USEFUL_BYTES = 8 << 20

export interface Collecting {
  /** Collects all garbage now. */
  collect(): void
  /** Resident memory, in bytes. */
  resident(): number
  /** In milliseconds, of a clock that does not go back. */
  now(): number
}

/** V8's own collection, which it offers only where it is asked to. */
function v8Collecting(): Collecting {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  return { collect, resident: process.memoryUsage.rss, now: () => performance.now() }
}

/**
 * Has V8 collect its garbage when that seems to be of use. By itself V8 waits until its heap seems large to it, and the memory of
 * buffers lies outside of that: what was given up would keep a container at its limit.
 */
export class Collector {
  readonly #by: Collecting
  #pauseMs = LEAST_PAUSE_MS
  #notBefore = Number.NEGATIVE_INFINITY

  constructor(by: Collecting = v8Collecting()) {
    this.#by = by
  }

  /** Collects, unless it has done so a moment ago, or was of no use the last times. Returns whether it has. */
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
