/** A worker that has run for this time, in milliseconds, did not end for the same cause as earlier ones. */
export const STABLE_MS = 60_000

const FIRST_MS = 100
const LONGEST_MS = 30_000

/**
 * Delay before a worker is replaced, in milliseconds. Doubles each time, so that a worker that cannot run does not
 * occupy the cores with restarts.
 *
 * @param crashes in a row, this one included
 */
export const restartDelayMs = (crashes: number): number => Math.min(FIRST_MS * 2 ** (crashes - 1), LONGEST_MS)
