/** Why a worker is killed: it stands still, or it is busy with something that never ends. */
export type Stall = 'stopped' | 'stuck'

/** What was seen of a worker from which nothing has come since it was asked. */
export interface Silence {
  /** Checks in a row that found no answer. */
  readonly checks: number
  /** The last of them in a row in which it used no CPU time either. */
  readonly idleChecks: number
  /** CPU time it had used at the latest check, in clock ticks; `undefined` where that is not known. */
  readonly cpuTicks: number | undefined
}

/** How often workers are asked for a sign of life, in milliseconds. */
export const CHECK_MS = 2000

/** Checks without an answer and without CPU time after which a worker counts as stopped: 8 to 10 s. */
const MAX_IDLE = 4

/** Checks without an answer after which a busy worker counts as stuck: 30 s, as with the liveness probe of one process. */
const MAX_SILENT = 15

/** The same for one that is still starting: with little CPU it needs long for it, and would never start if it were killed for that. */
const MAX_STARTING = 60

/**
 * A worker's silence at one more check. Checks are counted, not seconds: where the whole container was frozen for a minute, no worker
 * has failed to answer in it.
 *
 * @param before `undefined` when something has come from the worker since the check before this one
 * @param cpuTicks that it has used up to now
 */
export function nextSilence(before: Silence | undefined, cpuTicks: number | undefined): Silence {
  if (!before) return { checks: 0, idleChecks: 0, cpuTicks }
  const idle = cpuTicks !== undefined && cpuTicks === before.cpuTicks
  return { checks: before.checks + 1, idleChecks: idle ? before.idleChecks + 1 : 0, cpuTicks }
}

/** Whether a worker has to be replaced, and why. A worker that uses CPU time gets longer: it may only be slow. */
export function stallOf({ checks, idleChecks }: Silence, listening: boolean): Stall | undefined {
  if (idleChecks >= MAX_IDLE) return 'stopped'
  return checks >= (listening ? MAX_SILENT : MAX_STARTING) ? 'stuck' : undefined
}
