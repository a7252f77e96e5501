import type { Bridge } from '../lib/wire/bridge.ts'

/** Who is connected to this pod: each user with all of their connections. */
export class Registry {
  readonly #byUser = new Map<string, Set<Bridge>>()

  /** Number of users with at least one connection. */
  get users(): number {
    return this.#byUser.size
  }

  add(user: string, bridge: Bridge): void {
    const bridges = this.#byUser.get(user)
    if (bridges) bridges.add(bridge)
    else this.#byUser.set(user, new Set([bridge]))
  }

  remove(user: string, bridge: Bridge): void {
    const bridges = this.#byUser.get(user)
    if (bridges?.delete(bridge) && bridges.size === 0) this.#byUser.delete(user)
  }

  /** The connections of a user that messages can still be written to. */
  connections(user: string): Bridge[] {
    return [...(this.#byUser.get(user) ?? [])].filter(bridge => bridge.state === 'open')
  }
}
