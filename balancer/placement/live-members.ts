import type { Discovery } from '../../lib/routing/discovery/discovery.ts'
import type { Member } from '../../lib/routing/members.ts'
import type { Suspects } from '../../lib/routing/suspects.ts'

/** How long a member counts as leaving that said so itself, in milliseconds: discovery knows by then, or its pod is back. */
const SAID_SO_MS = 30_000

/** Most members that are remembered to have said that they leave. */
const MAX_SAID_SO = 10_000

/** Which member takes whom: the owner, unless it is on its way out or was found to take nobody. */
export class LiveMembers {
  readonly #discovery: Discovery
  readonly #suspects: Suspects
  /** Until when, by name. */
  readonly #saidSo = new Map<string, number>()

  constructor(discovery: Discovery, suspects: Suspects) {
    this.#discovery = discovery
    this.#suspects = suspects
  }

  get size(): number {
    return this.#discovery.members.size
  }

  /** The member's own word that it is shutting down, which may come before any discovery has it. */
  markDraining(name: string): void {
    if (this.#saidSo.size >= MAX_SAID_SO) this.#saidSo.clear()
    this.#saidSo.set(name, performance.now() + SAID_SO_MS)
  }

  /** A member did not take a handshake: it is passed over until a probe finds it well. */
  suspect(name: string): void {
    const member = this.#discovery.members.get(name)
    if (member) this.#suspects.suspect(member)
  }

  isLeaving(name: string): boolean {
    return this.#discovery.leaving.has(name) || (this.#saidSo.get(name) ?? 0) > performance.now()
  }

  /** Whether discovery has it, and it is not on its way out. */
  isMember(name: string): boolean {
    return this.#discovery.members.get(name) !== undefined && !this.isLeaving(name)
  }

  /**
   * The member for a key.
   *
   * @param tried names of members that did not take it
   */
  choose(key: string, tried?: ReadonlySet<string>): Member | undefined {
    const { members } = this.#discovery
    const owner = members.owner(key)
    if (owner && !tried?.has(owner.name) && !this.isLeaving(owner.name) && !this.#suspects.has(owner.name)) return owner
    const avoid = new Set(tried)
    for (const { name } of members.members) if (this.isLeaving(name)) avoid.add(name)
    const other = this.#suspects.choose(members, key, avoid)
    // When all that are left are leaving, one that leaves is better than none.
    return other ?? (tried?.size ? undefined : owner)
  }
}
