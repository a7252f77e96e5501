import { LinkedMap } from '../lib/service/linked-map.ts'

export interface ExpiringMapOptions {
  /** How long an entry lives after it was set, in milliseconds. */
  readonly keepMs: number
  /** With more, the oldest go first. */
  readonly maxEntries: number
  /** Called for each entry that had to go before its time. */
  readonly onEvict?: () => void
  /** Milliseconds on any clock that never goes back. */
  readonly now?: () => number
}

/** A map whose entries live for a limited time, bounded in size; each operation costs the same, however many there are. */
export class ExpiringMap<K, V> {
  readonly #options: ExpiringMapOptions
  readonly #now: () => number
  /** All live equally long, so the order of setting is the order of expiry. */
  readonly #entries = new LinkedMap<K, { readonly value: V; readonly until: number }>()

  constructor(options: ExpiringMapOptions) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  get size(): number {
    if (this.#entries.size > 0) this.#expire(this.#now())
    return this.#entries.size
  }

  get(key: K): V | undefined {
    // Mostly there is nothing, and then no clock needs to be read.
    if (this.#entries.size === 0) return undefined
    const entry = this.#entries.get(key)
    return entry && entry.until > this.#now() ? entry.value : undefined
  }

  /** All that is in it, those set longest ago first. */
  *entries(): IterableIterator<[K, V]> {
    this.#expire(this.#now())
    for (const [key, { value }] of this.#entries) yield [key, value]
  }

  clear(): void {
    this.#entries.clear()
  }

  set(key: K, value: V): void {
    const now = this.#now()
    this.#entries.delete(key)
    this.#expire(now)
    const { keepMs, maxEntries, onEvict } = this.#options
    if (this.#entries.size >= maxEntries) {
      const [oldest] = this.#entries.first() ?? []
      this.#entries.delete(oldest as K)
      onEvict?.()
    }
    this.#entries.set(key, { value, until: now + keepMs })
  }

  delete(key: K): void {
    this.#entries.delete(key)
  }

  #expire(now: number): void {
    for (let oldest = this.#entries.first(); oldest && oldest[1].until <= now; oldest = this.#entries.first()) {
      this.#entries.delete(oldest[0])
    }
  }
}
