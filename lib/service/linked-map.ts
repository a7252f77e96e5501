interface Node<K, V> {
  readonly key: K
  readonly value: V
  before: Node<K, V> | undefined
  after: Node<K, V> | undefined
}

/**
 * A map in insertion order that finds its first entry in one step. `Map` keeps the slots of deleted entries for a
 * while, and each new iterator walks over all of them.
 */
export class LinkedMap<K, V> {
  readonly #index = new Map<K, Node<K, V>>()
  #first: Node<K, V> | undefined
  #last: Node<K, V> | undefined

  get size(): number {
    return this.#index.size
  }

  has(key: K): boolean {
    return this.#index.has(key)
  }

  get(key: K): V | undefined {
    return this.#index.get(key)?.value
  }

  /** The entry that was set longest ago. */
  first(): readonly [K, V] | undefined {
    return this.#first && [this.#first.key, this.#first.value]
  }

  /** Puts an entry at the end, even if the key exists. */
  set(key: K, value: V): void {
    this.delete(key)
    const node: Node<K, V> = { key, value, before: this.#last, after: undefined }
    this.#index.set(key, node)
    if (this.#last) this.#last.after = node
    else this.#first = node
    this.#last = node
  }

  delete(key: K): boolean {
    const node = this.#index.get(key)
    if (!node) return false
    this.#index.delete(key)
    this.#unlink(node)
    return true
  }

  clear(): void {
    this.#index.clear()
    this.#first = undefined
    this.#last = undefined
  }

  /** In insertion order; entries may be deleted during iteration, and one that is set again moves to the end. */
  *[Symbol.iterator](): IterableIterator<[K, V]> {
    for (let node = this.#first; node; node = node.after) {
      // Deleted nodes still point to their successors.
      if (this.#index.get(node.key) === node) yield [node.key, node.value]
    }
  }

  #unlink({ before, after }: Node<K, V>): void {
    if (before) before.after = after
    else this.#first = after
    if (after) after.before = before
    else this.#last = before
  }
}
