import { setTimeout as sleep } from 'node:timers/promises'
import type { Bridge } from '../../lib/bridge/bridge.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import { AskSchedule } from './ask-schedule.ts'
import type { Identity } from './handshake-plan.ts'

/** Share of the time in which every client is asked to move once; the rest is for slow moves. */
const SHARE = 0.5

/** Minimum number of clients asked per second, even if there is more time. */
const MIN_PER_SECOND = 500

/** Interval of checks whether all clients have left, in milliseconds. */
const LOOK_MS = 20

/** Share of the shutdown time in which clients are handed over; the rest is for closing the remaining ones. */
const SHUTDOWN_SHARE = 0.8

/**
 * Time by which a terminating sidecar must have handed its clients over.
 *
 * @param deadline end of the process, in ms since the epoch, as is the result
 */
export const handOverDeadline = (deadline: number, now: number = Date.now()): number =>
  now + Math.max(0, deadline - now) * SHUTDOWN_SHARE

/** Connections that came through a balancer, which can move them; others would wait in vain. */
export function* movable(connections: Iterable<Bridge<Identity>>): Generator<Bridge<Identity>> {
  for (const connection of connections) if (connection.context.secret) yield connection
}

export interface DrainOptions {
  connections(): Iterable<Bridge<Identity>>
  /** Asks the balancer to move a client. */
  ask(connection: Bridge<Identity>): void
}

/**
 * Hands all clients over at a limited rate, and closes the remaining ones with 1012 when the time is up.
 *
 * @param deadline ms since the epoch
 * @returns number of clients that had to be closed
 */
export async function handOverAll({ connections, ask }: DrainOptions, deadline: number): Promise<number> {
  const total = [...connections()].length
  // Monotonic from here on: the wall clock may be set while this runs.
  const start = performance.now()
  const limitMs = deadline - Date.now()
  const spanMs = Math.min(limitMs * SHARE, (total / MIN_PER_SECOND) * 1000)
  const schedule = new AskSchedule<Bridge<Identity>>(total, spanMs, LOOK_MS)
  for (;;) {
    const now = performance.now() - start
    const remaining = [...connections()]
    if (remaining.length === 0) return 0
    for (const connection of schedule.take(remaining, now)) ask(connection)
    if (now >= limitMs) return closeAll([...connections()])
    await sleep(Math.min(LOOK_MS, Math.max(1, limitMs - now)))
  }
}

/** Returns the number of connections. */
function closeAll(connections: readonly Bridge<Identity>[]): number {
  for (const connection of connections) connection.close('shutdown', CLOSE.SERVICE_RESTART, 'service restart')
  return connections.length
}
