import { realTiming, type Timing } from './discovery/timing.ts'
import type { Member } from './members.ts'
import type { MemberSet } from './rendezvous.ts'

export interface SuspectsOptions {
  /** Whether a member accepts connections again. Never rejects. */
  probe(member: Member): Promise<boolean>
  /** Called when a member is no longer a suspect. */
  onChange?(): void
  readonly timing?: Timing
}

/** Pause before the first probe, in milliseconds; it doubles with each failed probe. */
const FIRST_MS = 500
const LONGEST_MS = 10_000

/**
 * Members that did not accept a connection. They are passed over at once, before discovery notices, and probed until
 * they accept connections again.
 */
export class Suspects {
  readonly #options: SuspectsOptions
  /** Controllers that stop the probing, by name. */
  readonly #probing = new Map<string, AbortController>()

  constructor(options: SuspectsOptions) {
    this.#options = options
  }

  has(name: string): boolean {
    return this.#probing.has(name)
  }

  get size(): number {
    return this.#probing.size
  }

  suspect(member: Member): void {
    if (this.#probing.has(member.name)) return
    const abort = new AbortController()
    this.#probing.set(member.name, abort)
    void this.#probe(member, abort.signal)
  }

  /**
   * Returns the owner of a key, or the first in its order that is neither suspect nor avoided. If all others are
   * suspects, returns the first of them, which may have recovered.
   *
   * @param avoid names that must not be chosen
   */
  choose(members: MemberSet, key: string, avoid?: ReadonlySet<string>): Member | undefined {
    const owner = members.owner(key)
    if (!owner || (!this.has(owner.name) && !avoid?.has(owner.name))) return owner
    // Among this number of members at least one is neither suspect nor avoided, if there is one at all.
    const enough = this.size + (avoid?.size ?? 0) + 1
    const order = members.rank(key, enough).filter(({ name }) => !avoid?.has(name))
    return order.find(({ name }) => !this.has(name)) ?? order[0]
  }

  /** Forgets suspects that are no longer members. */
  retain(members: MemberSet): void {
    for (const name of this.#probing.keys()) if (!members.get(name)) this.#clear(name)
  }

  close(): void {
    for (const name of this.#probing.keys()) this.#clear(name)
  }

  #clear(name: string): void {
    this.#probing.get(name)?.abort()
    this.#probing.delete(name)
  }

  async #probe(member: Member, signal: AbortSignal): Promise<void> {
    const { probe, onChange, timing = realTiming } = this.#options
    for (let pauseMs = FIRST_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_MS)) {
      // Jittered, so that many balancers do not probe at the same moment.
      await timing.sleep(pauseMs * (0.5 + timing.random() / 2), signal)
      if (signal.aborted) return
      const well = await probe(member)
      if (signal.aborted) return
      if (well) break
    }
    this.#probing.delete(member.name)
    onChange?.()
  }
}
