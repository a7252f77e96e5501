import type { Presence } from '../connections/registry.ts'
import type { LocationCache } from '../send/location-cache.ts'
import { MAX_CONNECTION_KEY_BYTES, MAX_SERVED } from '../transport/link/link-frames.ts'
import type { LocalMessage } from './local-message.ts'

export interface CopiesOptions {
  /** This sidecar's own member name, and a user's owner by its member list. */
  readonly self: string
  readonly owner: (user: string) => string | undefined
  readonly locationCache: Pick<LocationCache, 'members' | 'hasRecentMiss'>
  /** Sends a copy to another member, which may have further connections of the user. */
  relay(member: string, routed: LocalMessage): void
}

/** Marks a member name among connection keys, which are base64; on its own, it marks a copy that is to be forwarded. */
const MEMBER = '>'

/** The receivers of a message so far, as recorded in a copy of it. */
export interface DeliveryMark {
  /** Keys of the connections that have the message. */
  readonly keys: readonly string[]
  /** Members that have the message or get it from this copy's sender, including the copy's receiver. */
  readonly members: readonly string[]
  /** Whether the receiver is to forward the copy, once. */
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
  // A longer name does not fit, and an unnamed member could be sent the message twice.
  if (names.some(({ length }) => length > MAX_CONNECTION_KEY_BYTES)) return known.slice(0, MAX_SERVED)
  return [...(mayForward ? [MEMBER] : []), ...names, ...known].slice(0, MAX_SERVED)
}

const keysOf = (presences: readonly Presence[]): string[] => presences.slice(0, MAX_SERVED).map(({ key }) => key)

/**
 * Decides which members get a copy of a message delivered here, for users connected to several pods. Only the owner
 * knows all of these pods: each pod that has a user tells the owner, and the owner tells no other pod. A message
 * delivered elsewhere is therefore copied to the owner too, which forwards it to the other pods it knows.
 */
export class Copies {
  readonly #options: CopiesOptions

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /**
   * The copies of a message that is being delivered on these connections.
   *
   * @returns function that sends the copies, to be called once a connection has taken the message: an untaken message
   *   goes elsewhere, and would arrive twice; `undefined`: there are no copies
   */
  of(routed: LocalMessage, here: readonly Presence[]): (() => void) | undefined {
    const { self, owner, locationCache } = this.#options
    const { user } = routed
    const ownerName = owner(user)
    const others = locationCache.members(user).filter(member => member !== ownerName)
    const owners =
      ownerName === undefined || ownerName === self || locationCache.hasRecentMiss(user, ownerName) ? [] : [ownerName]
    if (others.length + owners.length === 0) return undefined
    const mark = { keys: keysOf(here), members: [self, ...others, ...owners] }
    return () => {
      this.#relay(others, routed, { ...mark, mayForward: false })
      this.#relay(owners, routed, { ...mark, mayForward: true })
    }
  }

  /**
   * Forwards a received copy.
   *
   * @param here connections of this pod that get it
   * @returns whether any member gets it
   */
  forward(routed: LocalMessage, { keys, members, mayForward }: DeliveryMark, here: readonly Presence[]): boolean {
    if (!mayForward) return false
    const others = this.#options.locationCache.members(routed.user).filter(member => !members.includes(member))
    const mark = { keys: [...keys, ...keysOf(here)], members: [...members, ...others], mayForward: false }
    this.#relay(others, routed, mark)
    return others.length > 0
  }

  #relay(members: readonly string[], routed: LocalMessage, mark: DeliveryMark): void {
    for (const member of members) this.#options.relay(member, { ...routed, deliveredTo: writeMark(mark) })
  }
}
