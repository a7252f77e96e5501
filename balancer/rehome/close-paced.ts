import { setTimeout as sleep } from 'node:timers/promises'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import type { Connection } from '../placement/placement.ts'

/** Part of the time for shutting down in which clients are closed: the rest is for their answers. */
const SHARE = 0.6

/** Clients that are closed in a second at least, however much time there is: who has few of them ends soon. */
const MIN_PER_SECOND = 100

/**
 * When each of so many clients is closed: at random moments within a span, so that they do not all come to the other
 * balancers at the same moment.
 *
 * @param timeMs until everything must have ended
 * @returns milliseconds from now, ascending
 */
export function closingTimes(count: number, timeMs: number, random: () => number = Math.random): number[] {
  const spanMs = Math.min(timeMs * SHARE, (count / MIN_PER_SECOND) * 1000)
  return Array.from({ length: count }, () => random() * Math.max(0, spanMs)).sort((a, b) => a - b)
}

/** Closes clients with 1012 (service restart), paced. Resolves when all have been told. */
export async function closePaced(connections: Iterable<Connection>, deadline: number): Promise<void> {
  const all = [...connections]
  const start = Date.now()
  for (const [n, at] of closingTimes(all.length, deadline - start).entries()) {
    const wait = start + at - Date.now()
    if (wait > 1) await sleep(wait)
    all[n]?.close('shutdown', CLOSE.SERVICE_RESTART, 'service restart')
  }
}
