import type { Bridge } from '../lib/wire/bridge.ts'
import { ExpiringMap } from './expiring-map.ts'

/** How long it is remembered that a user has left, in milliseconds: a client that comes back does so within that time. */
const DEPARTURE_MS = 5000
const MAX_DEPARTURES = 100_000

/** Who is connected to this pod: each user with all of their connections, and who was a moment ago. */
export class Registry {
  readonly #byUser = new Map<string, Map<Bridge, string>>()
  readonly #departures: ExpiringMap<string, true>

  /** @param now milliseconds on any clock that never goes back */
  constructor(now?: () => number) {
    this.#departures = new ExpiringMap({ keepMs: DEPARTURE_MS, maxEntries: MAX_DEPARTURES, ...(now && { now }) })
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

  /** @param key of the client's connection: the same on each pod that it is served by; empty: not known */
  add(user: string, bridge: Bridge, key = ''): void {
    this.#departures.delete(user)
    const bridges = this.#byUser.get(user)
    if (bridges) bridges.set(bridge, key)
    else this.#byUser.set(user, new Map([[bridge, key]]))
  }

  /** Takes a connection out; one that is not there any more is no departure. */
  remove(user: string, bridge: Bridge): void {
    const bridges = this.#byUser.get(user)
    if (!bridges?.delete(bridge) || bridges.size > 0) return
    this.#byUser.delete(user)
    this.#departures.set(user, true)
  }

  /** Whether messages can be written to a user. */
  isConnected(user: string): boolean {
    const bridges = this.#byUser.get(user)
    if (bridges) for (const bridge of bridges.keys()) if (bridge.state === 'open') return true
    return false
  }

  /** The connections of a user that messages can still be written to. */
  connections(user: string): Bridge[] {
    return [...(this.#byUser.get(user)?.keys() ?? [])].filter(bridge => bridge.state === 'open')
  }

  /** The key of one of a user's connections. */
  keyOf(user: string, bridge: Bridge): string {
    return this.#byUser.get(user)?.get(bridge) ?? ''
  }

  /** Whether a user who has no open connection had one a moment ago, and may be about to come back somewhere. */
  leftRecently(user: string): boolean {
    return this.#byUser.has(user) || this.#departures.get(user) === true
  }
}
