import type { Bridge } from '../../lib/bridge/bridge.ts'
import type { Member } from '../../lib/routing/members.ts'
import type { Announcer } from '../peers/announcer.ts'
import type { LeavingConnections } from '../receive/shadows/leaving.ts'
import type { LocationCache } from '../send/location-cache.ts'
import type { Registry } from './registry.ts'

export interface ServedUsersOptions {
  readonly registry: Registry
  readonly leaving: LeavingConnections
  readonly locationCache: Pick<LocationCache, 'announced' | 'invalidate'>
  readonly announcer: Pick<Announcer, 'connected' | 'moved'>
  /** Resolves with the member of this name; `undefined` if it must not be asked. */
  confirm(name: string): Promise<Member | undefined>
}

/** Records which users this pod serves as their clients come, move and go, and has other members told. */
export class ServedUsers {
  readonly #options: ServedUsersOptions
  /** Member that a connection has moved to, in case the move is cancelled. */
  readonly #moves = new WeakMap<Bridge, string>()

  constructor(options: ServedUsersOptions) {
    this.#options = options
  }

  /** @param key of the client's connection: the same on each pod that serves it */
  connected(user: string, bridge: Bridge, key: string): void {
    const { registry, announcer } = this.#options
    // The user's locations elsewhere stay known, because the user may have more connections.
    registry.add(user, bridge, key)
    announcer.connected(user)
  }

  /** A client's handshake was repeated here; it is not known yet whether this pod will serve the client. */
  pending(user: string, bridge: Bridge, key: string): void {
    this.#options.registry.add(user, bridge, key, true)
  }

  /** An arriving client is now served here. */
  taken(user: string, bridge: Bridge): void {
    const { registry, announcer } = this.#options
    registry.settle(user, bridge)
    announcer.connected(user)
  }

  disconnected(user: string, bridge: Bridge): void {
    const { registry, leaving } = this.#options
    leaving.remove(user, bridge)
    registry.remove(user, bridge)
  }

  /**
   * Another member serves the client from now on: its connection here gets no more messages.
   *
   * @param name a member's name
   */
  moved(user: string, bridge: Bridge, name: string): void {
    const { registry, leaving, locationCache, announcer, confirm } = this.#options
    registry.remove(user, bridge)
    leaving.add(user, bridge)
    // The balancer's list may be newer than ours.
    locationCache.announced(name, [user])
    this.#moves.set(bridge, name)
    void confirm(name).then(member => {
      if (member) announcer.moved(user, member)
    })
  }

  /** The client's announced move was cancelled: it stays here. */
  stayed(user: string, bridge: Bridge, key: string): void {
    const { leaving, locationCache } = this.#options
    const there = this.#moves.get(bridge)
    if (there !== undefined) locationCache.invalidate(user, there)
    leaving.remove(user, bridge)
    this.connected(user, bridge, key)
  }
}
