import { setTimeout as sleep } from 'node:timers/promises'
import type { Bridge } from '../../lib/bridge/bridge.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import type { Identity } from './handshake-plan.ts'

/** Part of the time in which all clients are asked to be moved; the rest is for those that take longer. */
const SHARE = 0.5

/** Clients that are asked in a second at least, however much time there is. */
const MIN_PER_SECOND = 500

/** Pause before those that are still here are asked again, in milliseconds. */
const AGAIN_MS = 2000

/** How often it is looked whether all have gone, in milliseconds. */
const LOOK_MS = 20

/** Part of the time for shutting down in which clients are handed over; the rest is for the goodbye of those that are left. */
const SHUTDOWN_SHARE = 0.8

/**
 * Until when clients may be handed over by a sidecar that has to end.
 *
 * @param deadline of its end; both ms since the epoch
 */
export const handOverDeadline = (deadline: number, now: number = Date.now()): number =>
  now + Math.max(0, deadline - now) * SHUTDOWN_SHARE

/** Connections that came through a balancer, which can move them; others would only wait. */
export function* movable(connections: Iterable<Bridge<Identity>>): Generator<Bridge<Identity>> {
  for (const connection of connections) if (connection.context.secret) yield connection
}

export interface DrainOptions {
  connections(): Iterable<Bridge<Identity>>
  /** Asks the balancer to move a client. */
  ask(connection: Bridge<Identity>): void
}

/**
 * Hands all clients over, paced, and closes those with 1012 that are left when the time is over.
 *
 * @param deadline ms since the epoch
 * @returns how many had to be closed
 */
export async function handOverAll({ connections, ask }: DrainOptions, deadline: number): Promise<number> {
  const total = [...connections()].length
  // From here on a clock that does not jump: the wall clock may be set while this goes on.
  const start = performance.now()
  const limitMs = deadline - Date.now()
  const spanMs = Math.min(limitMs * SHARE, (total / MIN_PER_SECOND) * 1000)
  const asked = new WeakMap<Bridge<Identity>, number>()
  let count = 0
  for (;;) {
    const now = performance.now() - start
    // Spread evenly over the span, in the order in which they came.
    const due = now < spanMs ? Math.ceil((total * (now + LOOK_MS)) / spanMs) : Number.POSITIVE_INFINITY
    let left = 0
    for (const connection of connections()) {
      left++
      const before = asked.get(connection)
      if (before === undefined ? count < due : now - before >= AGAIN_MS) {
        if (before === undefined) count++
        asked.set(connection, now)
        ask(connection)
      }
    }
    if (left === 0) return 0
    if (now >= limitMs) break
    await sleep(Math.min(LOOK_MS, Math.max(1, limitMs - now)))
  }
  let closed = 0
  for (const connection of connections()) {
    connection.close('shutdown', CLOSE.SERVICE_RESTART, 'service restart')
    closed++
  }
  return closed
}
