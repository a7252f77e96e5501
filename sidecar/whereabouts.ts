import type { Metrics } from '../lib/service/metrics.ts'
import { ExpiringMap } from './expiring-map.ts'

/** How long it is believed, in milliseconds, and of how many users: a refreshed announcement comes three times in that time. */
const KEEP_MS = 60_000
const MAX_USERS = 100_000

export interface WhereaboutsOptions {
  /** This sidecar's own member name. */
  readonly self: string
  /** Whether a member may be asked for a user now; by default each. */
  readonly isUsable?: (member: string) => boolean
  readonly metrics: Metrics
  readonly now?: () => number
}

/**
 * Which member has a user, where that is not the one that the list of members says: because the user was moved from here, because
 * the member has said so, or because a message has reached them there.
 */
export class Whereabouts {
  readonly #self: string
  readonly #isUsable: (member: string) => boolean
  readonly #members: ExpiringMap<string, string>

  constructor({ self, isUsable = () => true, metrics, now }: WhereaboutsOptions) {
    this.#self = self
    this.#isUsable = isUsable
    const evicted = metrics.counter(
      'whereabouts_evicted_total',
      'Users whose whereabouts were forgotten before their time, because there were too many.',
    )
    const members = new ExpiringMap<string, string>({
      keepMs: KEEP_MS,
      maxEntries: MAX_USERS,
      onEvict: () => evicted.inc(),
      ...(now && { now }),
    })
    this.#members = members
    metrics.gauge('whereabouts', 'Users who are known to be at another pod than their owner.', {
      collect() {
        this.set(members.size)
      },
    })
  }

  /**
   * The member that has a user; `undefined`: nothing is known but the list of members. One that may not be asked is neither said nor
   * forgotten: it can become usable.
   */
  get(user: string): string | undefined {
    const member = this.#members.get(user)
    return member !== undefined && this.#isUsable(member) ? member : undefined
  }

  /** Remembers that a member has a user now. One who is connected here too has several connections. */
  set(user: string, member: string): void {
    if (member !== this.#self) this.#members.set(user, member)
  }

  /** Another member says that it has these users. */
  announced(member: string, users: readonly string[]): void {
    for (const user of users) this.set(user, member)
  }

  /** Forgets a user: they are where the list of members says. */
  delete(user: string): void {
    this.#members.delete(user)
  }

  /** Forgets that a member has a user: it has not. */
  disprove(user: string, member: string): void {
    if (this.#members.get(user) === member) this.#members.delete(user)
  }
}
