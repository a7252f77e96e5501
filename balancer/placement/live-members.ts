import type { Discovery } from '../../lib/routing/discovery/discovery.ts'
import type { Member } from '../../lib/routing/members.ts'
import type { Suspects } from '../../lib/routing/suspects.ts'

/**
 * How long a member's own draining notice counts, in milliseconds: by then discovery reports it, or the pod is back.
 */
const SAID_SO_MS = 30_000

/** Maximum number of draining notices remembered. */
const MAX_SAID_SO = 10_000

/** Chooses the member for a key: the owner, unless the owner is leaving or suspect. */
export class LiveMembers {
  readonly #discovery: Discovery
  readonly #suspects: Suspects
  /** Expiry of each draining notice, by member name. */
  readonly #saidSo = new Map<string, number>()

  constructor(discovery: Discovery, suspects: Suspects) {
    this.#discovery = discovery
    this.#suspects = suspects
  }

  get size(): number {
    return this.#discovery.members.size
  }

  /** Records a member's own draining notice, which may arrive before discovery reports it. */
  markDraining(name: string): void {
    if (this.#saidSo.size >= MAX_SAID_SO) this.#saidSo.clear()
    this.#saidSo.set(name, performance.now() + SAID_SO_MS)
  }

  /** Marks a member that did not take a handshake: it is skipped until a probe succeeds. */
  suspect(name: string): void {
    const member = this.#discovery.members.get(name)
    if (member) this.#suspects.suspect(member)
  }

  isLeaving(name: string): boolean {
    return this.#discovery.leaving.has(name) || (this.#saidSo.get(name) ?? 0) > performance.now()
  }

  /** Whether discovery lists the member and it is not leaving. */
  isMember(name: string): boolean {
    return this.#discovery.members.get(name) !== undefined && !this.isLeaving(name)
  }

  /**
   * The member for a key.
   *
   * @param tried names of members that did not take the handshake
   */
  choose(key: string, tried?: ReadonlySet<string>): Member | undefined {
    const { members } = this.#discovery
    const owner = members.owner(key)
    if (owner && !tried?.has(owner.name) && !this.isLeaving(owner.name) && !this.#suspects.has(owner.name)) return owner
    const avoid = new Set(tried)
    for (const { name } of members.members) if (this.isLeaving(name)) avoid.add(name)
    const other = this.#suspects.choose(members, key, avoid)
    // If all remaining members are leaving, a leaving member is better than none.
    return other ?? (tried?.size ? undefined : owner)
  }
}
