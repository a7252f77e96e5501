import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Shortest time between two collections, in milliseconds: each stops the process for some tens of milliseconds. */
const PAUSE_MS = 1000

/**
 * Makes the function that has V8 collect its garbage now. By itself V8 waits until its heap seems large to it, and the memory of
 * buffers lies outside of that: what was given up would keep a container at its limit.
 *
 * @returns a function that says whether it has collected
 */
export function collector(): () => boolean {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  let last = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() < last + PAUSE_MS) return false
    collect()
    last = performance.now()
    return true
  }
}
