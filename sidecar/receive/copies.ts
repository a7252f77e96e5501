import type { Presence } from '../connections/registry.ts'
import type { LocationCache } from '../send/location-cache.ts'
import { MAX_CONNECTION_KEY_BYTES, MAX_SERVED } from '../transport/link/link-frames.ts'
import type { LocalMessage } from './local-message.ts'

export interface CopiesOptions {
  /** This sidecar's own member name, and the one that owns a user by its list. */
  readonly self: string
  readonly owner: (user: string) => string | undefined
  readonly locationCache: Pick<LocationCache, 'members' | 'hasRecentMiss'>
  /** Sends a copy to another member, which may have further connections of the user. */
  relay(member: string, routed: LocalMessage): void
}

/** Begins the name of a member among the keys of connections, which are base64; alone, that the copy is to be sent on. */
const MEMBER = '>'

/** Who has had a message, as a copy of it says. */
export interface DeliveryMark {
  /** Connections, by their keys. */
  readonly keys: readonly string[]
  /** Members that have it or get it from whoever sent this copy, with the one that the copy goes to. */
  readonly members: readonly string[]
  /** Whether it is to be sent on to others, once. */
  readonly mayForward: boolean
}

export function readMark(deliveredTo: readonly string[]): DeliveryMark {
  const names = deliveredTo.filter(item => item.startsWith(MEMBER))
  return {
    keys: deliveredTo.filter(item => !item.startsWith(MEMBER)),
    members: names.filter(name => name !== MEMBER).map(name => name.slice(MEMBER.length)),
    mayForward: names.includes(MEMBER),
  }
}

function writeMark({ keys, members, mayForward }: DeliveryMark): string[] {
  const known = keys.filter(key => key !== '')
  const names = members.map(member => `${MEMBER}${member}`)
  // A longer name does not fit, and a member that is not named could be sent the message a second time.
  if (names.some(({ length }) => length > MAX_CONNECTION_KEY_BYTES)) return known.slice(0, MAX_SERVED)
  return [...(mayForward ? [MEMBER] : []), ...names, ...known].slice(0, MAX_SERVED)
}

const keysOf = (presences: readonly Presence[]): string[] => presences.slice(0, MAX_SERVED).map(({ key }) => key)

/**
 * Decides which members get a copy of a message that is delivered here, for users who have connections here and there. Nobody knows
 * all of the others but the owner: whoever has a user without owning them tells the owner, and the owner nobody. So what is
 * delivered elsewhere is copied to the owner too, which sends it on to those that it knows besides.
 */
export class Copies {
  readonly #options: CopiesOptions

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /**
   * The copies of a message that is being delivered on these connections.
   *
   * @returns sends them, when one of the connections has taken it: what none has taken goes elsewhere, and would come twice;
   * `undefined`, there are none
   */
  of(routed: LocalMessage, here: readonly Presence[]): (() => void) | undefined {
    const { self, owner, locationCache } = this.#options
    const { user } = routed
    const home = owner(user)
    const others = locationCache.members(user).filter(member => member !== home)
    const owners = home === undefined || home === self || locationCache.hasRecentMiss(user, home) ? [] : [home]
    if (others.length + owners.length === 0) return undefined
    const had = { keys: keysOf(here), members: [self, ...others, ...owners] }
    return () => {
      this.#relay(others, routed, { ...had, mayForward: false })
      this.#relay(owners, routed, { ...had, mayForward: true })
    }
  }

  /**
   * Sends a copy on that has come here.
   *
   * @param here connections of this pod that get it
   * @returns whether anybody gets it
   */
  forward(routed: LocalMessage, { keys, members, mayForward }: DeliveryMark, here: readonly Presence[]): boolean {
    if (!mayForward) return false
    const others = this.#options.locationCache.members(routed.user).filter(member => !members.includes(member))
    const had = { keys: [...keys, ...keysOf(here)], members: [...members, ...others], mayForward: false }
    this.#relay(others, routed, had)
    return others.length > 0
  }

  #relay(members: readonly string[], routed: LocalMessage, had: DeliveryMark): void {
    for (const member of members) this.#options.relay(member, { ...routed, deliveredTo: writeMark(had) })
  }
}
