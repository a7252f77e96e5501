import { type Member, parseMember } from '../../lib/routing/members.ts'
import type { MemberSet } from '../../lib/routing/rendezvous.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long a member that was met is known without being in a list, in milliseconds: as long as what it has said is believed. */
const KEEP_MS = 60_000
const MAX_MET = 4000

export interface KnownPeersOptions {
  readonly members: () => MemberSet
  /** Of the lists of members there were. */
  readonly history: { get(name: string): Member | undefined }
  /** Called each time that a member is met. */
  readonly onMet?: (member: Member) => void
  /** Milliseconds on any clock that never goes back. */
  readonly now?: () => number
}

/**
 * The members that this sidecar may speak to, and believe. Whoever it dials gets its users' messages and is shown the token, so a name that
 * anybody can have made up (the `move` of a control ping, an announcement) is not enough: it must be in a list of members, now or a
 * short time ago, or be proven, or come from a member that was asked.
 */
export class KnownPeers {
  readonly #options: KnownPeersOptions
  readonly #met: ExpiringMap<string, Member>

  constructor(options: KnownPeersOptions) {
    this.#options = options
    const { now } = options
    this.#met = new ExpiringMap({ keepMs: KEEP_MS, maxEntries: MAX_MET, ...(now && { now }) })
  }

  /**
   * A sidecar has proven that this is its name: by the token, or by a link that it has had since it was a member. Or a member that was
   * asked has named where it would look for somebody.
   */
  addVerified(name: string): void {
    const member = parse(name)
    if (!member) return
    this.#met.set(member.name, member)
    this.#options.onMet?.(member)
  }

  /** A member by its name; `undefined`: it is none, or none that may be dialled. */
  get(name: string): Member | undefined {
    const { members, history } = this.#options
    return members().get(name) ?? history.get(name) ?? this.#met.get(name)
  }
}

function parse(name: string): Member | undefined {
  try {
    return parseMember(name)
  } catch {
    return undefined
  }
}
