/** A worker that has run for so long, in milliseconds, did not end because of what ended the ones before it. */
export const STABLE_MS = 60_000

const FIRST_MS = 100
const LONGEST_MS = 30_000

/**
 * How long to wait before a worker is replaced, in milliseconds: twice as long each time, so that one that cannot run does not
 * keep the cores busy with starting.
 *
 * @param crashes in a row, this one included
 */
export const restartDelayMs = (crashes: number): number => Math.min(FIRST_MS * 2 ** (crashes - 1), LONGEST_MS)
