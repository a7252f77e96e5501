import { type Member, parseMember } from '../lib/routing/members.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import { ExpiringMap } from './expiring-map.ts'

/** How long a member that was met is known without being in a list, in milliseconds: as long as what it has said is believed. */
const KEEP_MS = 60_000
const MAX_MET = 4000

export interface AcquaintancesOptions {
  readonly members: () => MemberSet
  /** Of the lists of members there were. */
  readonly history: { get(name: string): Member | undefined }
  /** Whether each name is taken for a member's: where no token is shown, there is none to lose. */
  readonly trusting: boolean
  /** Milliseconds on any clock that never goes back. */
  readonly now?: () => number
}

/**
 * The members that this sidecar may speak to. Whoever it dials is shown the token, so a name that a client can have made up (the
 * `move` of a control ping, or what comes without a token) is not enough: it must be in a list of members, now or a short time ago, or
 * come from a sidecar that has the token.
 */
export class Acquaintances {
  readonly #options: AcquaintancesOptions
  readonly #met: ExpiringMap<string, Member>

  constructor(options: AcquaintancesOptions) {
    this.#options = options
    const { now } = options
    this.#met = new ExpiringMap({ keepMs: KEEP_MS, maxEntries: MAX_MET, ...(now && { now }) })
  }

  /** A sidecar that has the token has named this member: itself, or one where it would look for somebody. */
  met(name: string): void {
    const member = parse(name)
    if (member) this.#met.set(member.name, member)
  }

  /** A member by its name; `undefined`: it is none, or none that may be dialled. */
  get(name: string): Member | undefined {
    const { members, history, trusting } = this.#options
    return members().get(name) ?? history.get(name) ?? this.#met.get(name) ?? (trusting ? parse(name) : undefined)
  }
}

function parse(name: string): Member | undefined {
  try {
    return parseMember(name)
  } catch {
    return undefined
  }
}
