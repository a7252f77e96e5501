import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long it is remembered that a user has left, in milliseconds: a client that comes back does so within that time. */
const DEPARTURE_MS = 5000
const MAX_DEPARTURES = 100_000
/** What that takes beside the name of the user, measured and rounded up. Bytes. */
const DEPARTURE_BYTES = 200

/**
 * How long messages wait for a client that is arriving, in milliseconds. After that it may not come at all, and they are looked
 * after elsewhere too; less than the default of the time that a sender gives this pod for its answer.
 */
const ARRIVAL_MS = 2000

/** A connection of a user. */
export interface Presence {
  readonly bridge: Bridge
  /** Of the client's connection: the same on each pod that it is served by; empty: not known. */
  readonly key: string
  /** Whether it is not known that the client is served here. */
  readonly pending: boolean
  /** Of one that is arriving: resolves when that is known, or takes too long; `undefined` from then on. All who wait learn it at once. */
  readonly settled: Promise<void> | undefined
}

/** A presence, and how the waiting for it ends. */
interface Entry extends Presence {
  pending: boolean
  settled: Promise<void> | undefined
  readonly end: () => void
}

/** Who is connected to this pod: each user with all of their connections, and who was a moment ago. */
export class Registry {
  readonly #byUser = new Map<string, Map<Bridge, Entry>>()
  readonly #departures: ExpiringMap<string, true>

  /**
   * @param now milliseconds on any clock that never goes back
   * @param memory of what is remembered of those that have left; those that are here take a part of what each connection takes
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
   * @param arriving whether it is not known yet that the client is served here; {@link settle} or {@link remove} says so
   */
  add(user: string, bridge: Bridge, key = '', arriving = false): void {
    this.#departures.delete(user)
    const entries = this.#byUser.get(user) ?? new Map<Bridge, Entry>()
    this.#byUser.set(user, entries)
    // Whoever waits for a connection that arrives no more, but is here, must not wait for the one that it was.
    entries.get(bridge)?.end()
    const settled = { bridge, key, pending: false, settled: undefined, end: () => {} }
    entries.set(bridge, arriving ? arrivingEntry(bridge, key) : settled)
  }

  /** A client that was arriving is served here from now on. */
  settle(user: string, bridge: Bridge): void {
    const entry = this.#byUser.get(user)?.get(bridge)
    if (!entry?.pending) return
    entry.pending = false
    entry.end()
  }

  /** Takes a connection out; one that is not there any more is no departure. */
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

  /** Whether messages can be written to a user. */
  isConnected(user: string): boolean {
    const entries = this.#byUser.get(user)
    if (entries) for (const bridge of entries.keys()) if (bridge.state === 'open') return true
    return false
  }

  /**
   * The connections of a user that messages can still be written to. Of two with the same key, which are one client's that is being
   * moved within this pod, the older one: it serves the client until the balancer says otherwise.
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

  /** Whether a user who has no open connection had one a moment ago, and may be about to come back somewhere. */
  leftRecently(user: string): boolean {
    return this.#byUser.has(user) || this.#departures.get(user) === true
  }
}

function arrivingEntry(bridge: Bridge, key: string): Entry {
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
