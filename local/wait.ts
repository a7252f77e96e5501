import { setTimeout as delay } from 'node:timers/promises'

/** How often a state is looked at, in milliseconds. */
const INTERVAL_MS = 50

/** Waits for a time, or until the signal; never throws, and keeps no process alive. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  await delay(ms, undefined, { ref: false, ...(signal && { signal }) }).catch(() => {})
}

/**
 * Waits until something is there.
 *
 * @param what for the error: what was waited for
 * @throws {Error} after `timeoutMs`
 */
export async function until<T>(
  look: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  timeoutMs: number,
): Promise<T> {
  const deadline = Date.now() + timeoutMs
  for (;;) {
    const found = await look()
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error(`waited ${timeoutMs / 1000} s in vain: ${what}`)
    await delay(INTERVAL_MS)
  }
}
