import type { Bridge } from '../../../lib/bridge/bridge.ts'

/** Time limit for a client's old connection to close once the client is served elsewhere, in milliseconds. */
const LEAVING_MS = 2000

/** A connection that still exists, and the function that reports its end. */
interface Entry {
  readonly gone: Promise<void>
  readonly end: () => void
}

/**
 * Connections to this pod whose clients were moved but which the app still has: the app's writes to them still reach
 * the client, which gets the same from the other pod.
 */
export class LeavingConnections {
  readonly #byUser = new Map<string, Map<Bridge, Entry>>()

  add(user: string, bridge: Bridge): void {
    this.remove(user, bridge)
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => this.remove(user, bridge), LEAVING_MS)
    const end = () => {
      clearTimeout(timer)
      resolve()
    }
    const entries = this.#byUser.get(user) ?? new Map<Bridge, Entry>()
    this.#byUser.set(user, entries.set(bridge, { gone: promise, end }))
  }

  /** Removes a connection that is gone, or that stays after all. */
  remove(user: string, bridge: Bridge): void {
    const entries = this.#byUser.get(user)
    const entry = entries?.get(bridge)
    if (!entries || !entry) return
    entries.delete(bridge)
    if (entries.size === 0) this.#byUser.delete(user)
    entry.end()
  }

  /** Resolves when the app has no such connection of the user left, or the time is up; `undefined`: it has none. */
  of(user: string): Promise<unknown> | undefined {
    const entries = this.#byUser.get(user)
    return entries && Promise.all(Array.from(entries.values(), ({ gone }) => gone))
  }
}
