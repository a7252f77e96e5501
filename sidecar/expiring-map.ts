import { LinkedMap } from '../lib/service/linked-map.ts'
import type { Allotment } from '../lib/service/memory/allotment.ts'

export interface ExpiringMapOptions<K> {
  /** How long an entry lives after it was set, in milliseconds. */
  readonly keepMs: number
  /** Maximum number of entries; beyond it, the oldest are evicted first. */
  readonly maxEntries: number
  /**
   * Memory allotment, and the size of a key's entry in bytes; if it is used up, the oldest entries are evicted first.
   */
  readonly memory?: { readonly of: Allotment; readonly bytesOf: (key: K) => number }
  /** Called for each entry evicted before its time. */
  readonly onEvict?: () => void
  /** Milliseconds on a monotonic clock. */
  readonly now?: () => number
}

/** A bounded map whose entries expire; the cost of an operation does not depend on the number of entries. */
export class ExpiringMap<K, V> {
  readonly #options: ExpiringMapOptions<K>
  readonly #now: () => number
  /** All entries live equally long, so insertion order is expiry order. */
  readonly #entries = new LinkedMap<K, { readonly value: V; readonly until: number }>()

  constructor(options: ExpiringMapOptions<K>) {
    this.#options = options
    this.#now = options.now ?? (() => performance.now())
  }

  get size(): number {
    if (this.#entries.size > 0) this.#expire(this.#now())
    return this.#entries.size
  }

  get(key: K): V | undefined {
    // The map is usually empty, and then the clock need not be read.
    if (this.#entries.size === 0) return undefined
    const entry = this.#entries.get(key)
    return entry && entry.until > this.#now() ? entry.value : undefined
  }

  /** All live entries, oldest first. */
  *entries(): IterableIterator<[K, V]> {
    this.#expire(this.#now())
    for (const [key, { value }] of this.#entries) yield [key, value]
  }

  clear(): void {
    for (const [key] of this.#entries) this.delete(key)
  }

  set(key: K, value: V): void {
    const now = this.#now()
    this.delete(key)
    this.#expire(now)
    const { keepMs, maxEntries, memory, onEvict } = this.#options
    const bytes = memory?.bytesOf(key) ?? 0
    while (this.#entries.size >= maxEntries || memory?.of.has(bytes) === false) {
      const oldest = this.#entries.first()
      if (!oldest) break
      this.delete(oldest[0])
      onEvict?.()
    }
    this.#entries.set(key, { value, until: now + keepMs })
    memory?.of.change(bytes)
  }

  delete(key: K): void {
    const { memory } = this.#options
    if (this.#entries.delete(key)) memory?.of.change(-memory.bytesOf(key))
  }

  #expire(now: number): void {
    for (let oldest = this.#entries.first(); oldest && oldest[1].until <= now; oldest = this.#entries.first()) {
      this.delete(oldest[0])
    }
  }
}
