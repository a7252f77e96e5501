import type { Connection } from './placement.ts'

/** Connections by user, for the policy that keeps all connections of a connected user on the same member. */
export class UserConnections {
  readonly #byUser = new Map<string, Set<Connection>>()

  add(connection: Connection): void {
    const { user } = connection.context
    if (user === undefined) return
    const known = this.#byUser.get(user)
    if (known) known.add(connection)
    else this.#byUser.set(user, new Set([connection]))
  }

  delete(connection: Connection): void {
    const { user } = connection.context
    const known = user === undefined ? undefined : this.#byUser.get(user)
    if (known?.delete(connection) && known.size === 0) this.#byUser.delete(user as string)
  }

  /** Name of the member that serves the user's connections; `undefined` if there are none. */
  home(user: string): string | undefined {
    for (const { state, context } of this.#byUser.get(user) ?? []) if (state === 'open') return context.member
    return undefined
  }
}
