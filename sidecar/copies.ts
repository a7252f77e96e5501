import { MAX_CONNECTION_KEY_BYTES, MAX_SERVED } from '../lib/wire/transport/link-frames.ts'
import type { LocalLetter } from './deliver.ts'
import type { Presence } from './registry.ts'
import type { Whereabouts } from './whereabouts.ts'

export interface CopiesOptions {
  /** This sidecar's own member name, and the one that owns a user by its list. */
  readonly self: string
  readonly owner: (user: string) => string | undefined
  readonly whereabouts: Pick<Whereabouts, 'members' | 'lacks'>
  /** Sends a copy to another member, which may have further connections of the user. */
  relay(member: string, letter: LocalLetter): void
}

/** Begins the name of a member among the keys of connections, which are base64. */
const MEMBER = '>'

/** Who has had a message, as a copy of it says. */
export interface Had {
  /** Connections, by their keys. */
  readonly keys: readonly string[]
  /** Members that have it or get it from whoever sent this copy. Where there are any, the copy may go on to others, once. */
  readonly members: readonly string[]
}

export function readHad(served: readonly string[]): Had {
  const keys: string[] = []
  const members: string[] = []
  for (const item of served) {
    if (item.startsWith(MEMBER)) members.push(item.slice(MEMBER.length))
    else keys.push(item)
  }
  return { keys, members }
}

function writeHad({ keys, members }: Had): string[] {
  const names = members.map(member => `${MEMBER}${member}`)
  return [...names, ...keys.filter(key => key !== '')].slice(0, MAX_SERVED)
}

const keysOf = (presences: readonly Presence[]): string[] => presences.slice(0, MAX_SERVED).map(({ key }) => key)

/**
 * Decides which members get a copy of a message that was delivered here, for users who have connections here and there. Nobody knows
 * all of the others but the owner: whoever has a user without owning them tells the owner, and the owner nobody. So what is
 * delivered elsewhere is copied to the owner too, which sends it on to those that it knows besides.
 */
export class Copies {
  readonly #options: CopiesOptions

  constructor(options: CopiesOptions) {
    this.#options = options
  }

  /**
   * Copies a message that is delivered on these connections.
   *
   * @returns whether anybody gets a copy
   */
  send(letter: LocalLetter, here: readonly Presence[]): boolean {
    const { self, owner, whereabouts } = this.#options
    const { user } = letter
    const known = whereabouts.members(user)
    const home = owner(user)
    const away = home !== undefined && home !== self && !whereabouts.lacks(user, home)
    if (known.length === 0 && !away) return false
    const keys = keysOf(here)
    const others = away ? known.filter(member => member !== home) : known
    this.#relay(others, letter, { keys, members: [] })
    if (away) {
      const members = [self, ...others]
      // A longer name does not fit, and a member that is not named could be sent the message a second time.
      const fit = members.every(({ length }) => length + MEMBER.length <= MAX_CONNECTION_KEY_BYTES)
      this.#relay([home], letter, { keys, members: fit ? members : [] })
    }
    return true
  }

  /**
   * Sends a copy on that has come here.
   *
   * @param here connections of this pod that get it
   * @returns whether anybody gets it
   */
  passOn(letter: LocalLetter, { keys, members }: Had, here: readonly Presence[]): boolean {
    if (members.length === 0) return false
    const others = this.#options.whereabouts.members(letter.user).filter(member => !members.includes(member))
    this.#relay(others, letter, { keys: [...keys, ...keysOf(here)], members: [] })
    return others.length > 0
  }

  #relay(members: readonly string[], letter: LocalLetter, had: Had): void {
    for (const member of members) this.#options.relay(member, { ...letter, served: writeHad(had) })
  }
}
