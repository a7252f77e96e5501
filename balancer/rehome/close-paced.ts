import { setTimeout as sleep } from 'node:timers/promises'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import type { Connection } from '../placement/placement.ts'

/** Share of the shutdown time in which clients are closed; the rest is for their close frames. */
const SHARE = 0.6

/** Minimum number of clients closed per second, so that a balancer with few clients ends early. */
const MIN_PER_SECOND = 100

/**
 * Times at which to close the clients: random within a span, so that they do not all reconnect to the other balancers
 * at once.
 *
 * @param timeMs time until everything must have ended
 * @returns milliseconds from now, ascending
 */
export function closingTimes(count: number, timeMs: number, random: () => number = Math.random): number[] {
  const spanMs = Math.min(timeMs * SHARE, (count / MIN_PER_SECOND) * 1000)
  return Array.from({ length: count }, () => random() * Math.max(0, spanMs)).sort((a, b) => a - b)
}

/** Closes clients with 1012 (service restart) at random times. Resolves when all clients have been told. */
export async function closePaced(connections: Iterable<Connection>, deadline: number): Promise<void> {
  const all = [...connections]
  const start = Date.now()
  for (const [n, at] of closingTimes(all.length, deadline - start).entries()) {
    const wait = start + at - Date.now()
    if (wait > 1) await sleep(wait)
    all[n]?.close('shutdown', CLOSE.SERVICE_RESTART, 'service restart')
  }
}
