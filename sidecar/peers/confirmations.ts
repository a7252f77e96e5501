import type { Confirm } from '../../lib/routing/discovery/dns/confirm.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long nobody is asked again about a host that is no member, in milliseconds. */
const REFUSED_MS = 1000
const MAX_REFUSED = 10_000

/** Hosts that may be asked about at once; strangers must not make floods of questions. */
const MAX_PENDING = 64

/** Asks about hosts that the list of members does not have, each once at a time. */
export class Confirmations {
  readonly #confirm: Confirm
  readonly #pending = new Map<string, Promise<boolean>>()
  readonly #refused: ExpiringMap<string, true>

  /** @param now milliseconds on any clock that never goes back */
  constructor(confirm: Confirm, now?: () => number) {
    this.#confirm = confirm
    this.#refused = new ExpiringMap({ keepMs: REFUSED_MS, maxEntries: MAX_REFUSED, ...(now && { now }) })
  }

  /** Whether a host is one of the members now; `false` also where that cannot be asked. */
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
