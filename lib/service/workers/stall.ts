/** Why a worker is killed. `stopped`: it stands still. `stuck`: it is busy endlessly. */
export type Stall = 'stopped' | 'stuck'

/** Observations of a worker that has not answered since it was asked. */
export interface Silence {
  /** Consecutive checks without an answer. */
  readonly checks: number
  /** The most recent consecutive checks in which it used no CPU time either. */
  readonly idleChecks: number
  /** Its CPU time at the latest check, in clock ticks; `undefined` if unknown. */
  readonly cpuTicks: number | undefined
}

/** How often workers are asked for a sign of life, in milliseconds. */
export const CHECK_MS = 2000

/** Checks without an answer and without CPU time after which a worker counts as stopped: 8 to 10 s. */
const MAX_IDLE = 4

/**
 * Checks without an answer after which a busy worker counts as stuck: 30 s, like the liveness probe of a single
 * process.
 */
const MAX_SILENT = 15

/** The same for a starting worker, which is slow with little CPU and would never start if it were killed for that. */
const MAX_STARTING = 60

/**
 * A worker's silence after one more check. Counts checks instead of seconds: while the whole container is frozen, no
 * worker fails to answer.
 *
 * @param before `undefined` if the worker has sent something since the previous check
 * @param cpuTicks used by the worker so far
 */
export function nextSilence(before: Silence | undefined, cpuTicks: number | undefined): Silence {
  if (!before) return { checks: 0, idleChecks: 0, cpuTicks }
  const idle = cpuTicks !== undefined && cpuTicks === before.cpuTicks
  return { checks: before.checks + 1, idleChecks: idle ? before.idleChecks + 1 : 0, cpuTicks }
}

/**
 * Whether and why a worker must be replaced. A worker that uses CPU time gets more time, because it may only be slow.
 */
export function stallOf({ checks, idleChecks }: Silence, listening: boolean): Stall | undefined {
  if (idleChecks >= MAX_IDLE) return 'stopped'
  return checks >= (listening ? MAX_SILENT : MAX_STARTING) ? 'stuck' : undefined
}
