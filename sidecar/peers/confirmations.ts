import type { Confirm } from '../../lib/routing/discovery/dns/confirm.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long a host found to be no member is not looked up again, in milliseconds. */
const REFUSED_MS = 1000
const MAX_REFUSED = 10_000

/** Maximum number of concurrent lookups, so that strangers cannot cause a flood of them. */
const MAX_PENDING = 64

/** Looks up hosts that are not in the member list, with at most one pending lookup per host. */
export class Confirmations {
  readonly #confirm: Confirm
  readonly #pending = new Map<string, Promise<boolean>>()
  readonly #refused: ExpiringMap<string, true>

  /** @param now milliseconds on a monotonic clock */
  constructor(confirm: Confirm, now?: () => number) {
    this.#confirm = confirm
    this.#refused = new ExpiringMap({ keepMs: REFUSED_MS, maxEntries: MAX_REFUSED, ...(now && { now }) })
  }

  /** Whether a host is a member now; `false` also if that cannot be looked up. */
  async isMember(host: string): Promise<boolean> {
    if (this.#refused.get(host) === true) return false
    const pending = this.#pending.get(host)
    if (pending) return pending
    if (this.#pending.size >= MAX_PENDING) return false
    const asked = this.#confirm(host)
    this.#pending.set(host, asked)
    const answer = await asked
    this.#pending.delete(host)
    if (!answer) this.#refused.set(host, true)
    return answer
  }
}
