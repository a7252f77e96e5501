import { type Member, parseMember } from '../../lib/routing/members.ts'
import type { MemberSet } from '../../lib/routing/rendezvous.ts'
import { ExpiringMap } from '../expiring-map.ts'

/**
 * How long a verified member stays known without being listed, in milliseconds: as long as its announcements are
 * trusted.
 */
const KEEP_MS = 60_000
const MAX_VERIFIED = 4000

export interface KnownPeersOptions {
  readonly members: () => MemberSet
  /** Previous lists of members. */
  readonly history: { get(name: string): Member | undefined }
  /** Called each time a member is verified. */
  readonly onVerified?: (member: Member) => void
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number
}

/**
 * The members that this sidecar may dial and trust. A dialled member receives users' messages and the token, so a name
 * that anyone could invent (the `move` of a control ping, an announcement) is not enough: it must be listed, now or
 * recently, or be proven, or be named by a member that was asked.
 */
export class KnownPeers {
  readonly #options: KnownPeersOptions
  readonly #verified: ExpiringMap<string, Member>

  constructor(options: KnownPeersOptions) {
    this.#options = options
    const { now } = options
    this.#verified = new ExpiringMap({ keepMs: KEEP_MS, maxEntries: MAX_VERIFIED, ...(now && { now }) })
  }

  /**
   * Adds a name that a sidecar has proven to be its own (by the token, or by a link held since it was a member), or
   * that an asked member has named as the place to look for a user.
   */
  addVerified(name: string): void {
    const member = parse(name)
    if (!member) return
    this.#verified.set(member.name, member)
    this.#options.onVerified?.(member)
  }

  /** The member with this name; `undefined` if it is unknown or must not be dialled. */
  get(name: string): Member | undefined {
    const { members, history } = this.#options
    return members().get(name) ?? history.get(name) ?? this.#verified.get(name)
  }
}

function parse(name: string): Member | undefined {
  try {
    return parseMember(name)
  } catch {
    return undefined
  }
}
