import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long a user's departure is remembered, in milliseconds: clients that reconnect do so within that time. */
const DEPARTURE_MS = 5000
const MAX_DEPARTURES = 100_000
/** Measured memory of a departure without the user's name, rounded up, in bytes. */
const DEPARTURE_BYTES = 200

/**
 * How long messages wait for an arriving client, in milliseconds. Later it may not come at all, so other pods are tried
 * too; shorter than the default time that a sender allows this pod for its answer.
 */
const ARRIVAL_MS = 2000

/** A connection of a user. */
export interface Presence {
  readonly bridge: Bridge
  /** Key of the client's connection, equal on every pod that serves it; empty: unknown. */
  readonly key: string
  /** Whether it is still unknown if the client is served here. */
  readonly pending: boolean
  /**
   * While pending: resolves when the arrival is decided or takes too long, and is `undefined` from then on. All
   * waiters share it.
   */
  readonly settled: Promise<void> | undefined
}

/** A presence, and the function that ends the wait for its arrival. */
interface Entry extends Presence {
  pending: boolean
  settled: Promise<void> | undefined
  readonly end: () => void
}

/** Users connected to this pod, each with all their connections, and users who left recently. */
export class Registry {
  readonly #byUser = new Map<string, Map<Bridge, Entry>>()
  readonly #departures: ExpiringMap<string, true>

  /**
   * @param now milliseconds on a monotonic clock
   * @param memory allotment of remembered departures; the memory of connected users is counted per connection
   */
  constructor(now?: () => number, memory?: Allotment) {
    this.#departures = new ExpiringMap({
      keepMs: DEPARTURE_MS,
      maxEntries: MAX_DEPARTURES,
      ...(now && { now }),
      ...(memory && { memory: { of: memory, bytesOf: user => DEPARTURE_BYTES + user.length } }),
    })
  }

  /** Number of users with at least one connection. */
  get users(): number {
    return this.#byUser.size
  }

  /** The names of all users with at least one connection. */
  names(): IterableIterator<string> {
    return this.#byUser.keys()
  }

  has(user: string): boolean {
    return this.#byUser.has(user)
  }

  /**
   * @param key as in {@link Presence}
   * @param pending whether it is unknown if the client is served here; {@link settle} or {@link remove} decides it
   */
  add(user: string, bridge: Bridge, key = '', pending = false): void {
    this.#departures.delete(user)
    const entries = this.#byUser.get(user) ?? new Map<Bridge, Entry>()
    this.#byUser.set(user, entries)
    // Ends the wait for the replaced entry: the connection is already here.
    entries.get(bridge)?.end()
    const settled = { bridge, key, pending: false, settled: undefined, end: () => {} }
    entries.set(bridge, pending ? pendingEntry(bridge, key) : settled)
  }

  /** An arriving client is served here from now on. */
  settle(user: string, bridge: Bridge): void {
    const entry = this.#byUser.get(user)?.get(bridge)
    if (!entry?.pending) return
    entry.pending = false
    entry.end()
  }

  /** Removes a connection; removing an unknown connection is no departure. */
  remove(user: string, bridge: Bridge): void {
    const entries = this.#byUser.get(user)
    const entry = entries?.get(bridge)
    if (!entries || !entry) return
    entry.end()
    entries.delete(bridge)
    if (entries.size > 0) return
    this.#byUser.delete(user)
    this.#departures.set(user, true)
  }

  /** Whether messages can be written to the user. */
  isConnected(user: string): boolean {
    const entries = this.#byUser.get(user)
    if (entries) for (const bridge of entries.keys()) if (bridge.state === 'open') return true
    return false
  }

  /**
   * The user's connections that messages can still be written to. If two have the same key, one client is being moved
   * within this pod: the older one serves it until the balancer decides otherwise.
   */
  connections(user: string): Presence[] {
    const entries = this.#byUser.get(user)
    if (!entries) return []
    const open: Presence[] = []
    const keys = entries.size > 1 ? new Set<string>() : undefined
    for (const entry of entries.values()) {
      const { bridge, key } = entry
      if (bridge.state !== 'open' || (key !== '' && keys?.has(key))) continue
      keys?.add(key)
      open.push(entry)
    }
    return open
  }

  /** Whether a user without an open connection had one recently, and may be about to reconnect. */
  leftRecently(user: string): boolean {
    return this.#byUser.has(user) || this.#departures.get(user) === true
  }
}

function pendingEntry(bridge: Bridge, key: string): Entry {
  const { promise, resolve } = Promise.withResolvers<void>()
  const late = () => {
    entry.settled = undefined
    resolve()
  }
  const timer = setTimeout(late, ARRIVAL_MS)
  const end = () => {
    clearTimeout(timer)
    late()
  }
  const entry: Entry = { bridge, key, pending: true, settled: promise, end }
  return entry
}
