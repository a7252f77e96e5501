import { realTiming, type Timing } from './discovery/timing.ts'
import type { Member } from './members.ts'
import type { MemberSet } from './rendezvous.ts'

export interface SuspectsOptions {
  /** Whether a member takes connections again. Never rejects. */
  probe(member: Member): Promise<boolean>
  /** Called when a member is no suspect any more. */
  onChange?(): void
  readonly timing?: Timing
}

/** Pause before the first probe; it doubles with each that fails. In milliseconds. */
const FIRST_MS = 500
const LONGEST_MS = 10_000

/**
 * Members that did not take a connection although they are members: they are passed over at once, before discovery knows
 * anything, and probed until they take connections again.
 */
export class Suspects {
  readonly #options: SuspectsOptions
  /** What ends the probing, by name. */
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
   * The owner of a key, or the first in its order that is neither a suspect nor to be avoided; where all that are left are
   * suspects, the first of them: it may be well again.
   *
   * @param avoid names that must not be chosen
   */
  choose(members: MemberSet, key: string, avoid?: ReadonlySet<string>): Member | undefined {
    const owner = members.owner(key)
    if (!owner || (!this.has(owner.name) && !avoid?.has(owner.name))) return owner
    // However many are passed over, one that is not is among so many.
    const enough = this.size + (avoid?.size ?? 0) + 1
    const order = members.rank(key, enough).filter(({ name }) => !avoid?.has(name))
    return order.find(({ name }) => !this.has(name)) ?? order[0]
  }

  /** Forgets those that are members no more. */
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
      // Jittered, so that many balancers do not come at the same moment.
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
