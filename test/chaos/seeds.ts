import type { Kind } from './schedule.ts'

/** Time of the traffic of the runs that tests make, in seconds. */
export const SECONDS = 10

/** Taken in turns. The first ones say most. */
const ORDER: readonly Kind[] = ['mixed', 'scale', 'rolling', 'kill', 'stale', 'cut', 'pause']

/** A seed of `mixed` in which two pods are drained at once, one is drained during a scale-up, and one is killed during a drain. */
export const ALL_AT_ONCE = 33

/** The first ones, one for each way in which addressed messages are delivered. */
const FIRST_SEEDS: readonly number[] = [ALL_AT_ONCE, 2, 7]

/** The runs that tests make: the first `count` of an endless list. */
export function runsOf(count: number): { kind: Kind; seed: number }[] {
  return Array.from({ length: count }, (_, n) => ({
    kind: ORDER[n % ORDER.length] as Kind,
    seed: FIRST_SEEDS[n] ?? n + 1,
  }))
}
