import type { Answer, Outcome } from '../transport/outcome.ts'
import { RecentIds } from './recent-ids.ts'

export interface DedupWindowOptions {
  /** Number of messages to remember. */
  readonly most: number
  /** Whether nothing of this sender was forgotten before. */
  readonly isWhole: boolean
  /** A repeated message was not delivered again. */
  readonly onRepeated: () => void
  /** The window takes more memory, in bytes. */
  readonly onGrown: (bytes: number) => void
}

/**
 * The last messages of one sending process, and the only record of what became of them. For a message of the window, it
 * guarantees that a repetition is never delivered beside or after a delivery: it gets the answer of the first time, and
 * waits for that if the delivery is in progress. A message that was not delivered may be delivered again. A message
 * before the window gets `timeout`, because it may have been delivered.
 */
export class DedupWindow {
  readonly #options: DedupWindowOptions
  #isWhole: boolean
  #recent: RecentIds | undefined
  /** Waiters for the answer to a message that was repeated while its delivery was in progress. */
  readonly #waiters = new Map<number, ((answer: Answer) => void)[]>()

  constructor(options: DedupWindowOptions) {
    this.#options = options
    this.#isWhole = options.isWhole
  }

  /** Approximate memory of the window. */
  get bytes(): number {
    return this.#recent?.bytes ?? 0
  }

  /**
   * Enters a message that the sender has never sent before.
   *
   * @returns slot for {@link settle}
   */
  add(id: number): number {
    const recent = this.#recent ?? this.#create()
    const { bytes } = recent
    const slot = recent.add(id)
    if (recent.bytes > bytes) this.#options.onGrown(recent.bytes - bytes)
    return slot
  }

  /**
   * Looks up a message that may have arrived before, and enters it if it is to be delivered now.
   *
   * @returns slot for {@link settle}, or the answer to the repetition
   */
  addRepeated(id: number): { readonly slot: number } | { readonly answer: Answer | Promise<Answer> } {
    const recent = this.#recent ?? this.#create()
    const known = recent.find(id)
    if (known === 'forgotten' || (known === 'new' && !this.#isWhole && recent.isEmpty)) return { answer: 'timeout' }
    if (known === 'new' || known === 'not_delivered') return { slot: recent.reopen(id) ?? this.add(id) }
    this.#options.onRepeated()
    return { answer: known === 'pending' ? this.#wait(id) : known }
  }

  /**
   * Ends a delivery, also for the repetitions that wait for it.
   *
   * @param outcome `undefined`: the message was not delivered, and still could be
   */
  settle(slot: number, id: number, answer: Answer, outcome: Outcome | undefined): void {
    this.#recent?.settle(slot, id, outcome)
    if (this.#waiters.size === 0) return
    for (const resolve of this.#waiters.get(id) ?? []) resolve(answer)
    this.#waiters.delete(id)
  }

  /** Forgets all messages: an unknown repeated message then gets `timeout`. */
  forget(): void {
    this.#recent = undefined
    this.#isWhole = false
  }

  #create(): RecentIds {
    const recent = new RecentIds(this.#options.most)
    this.#recent = recent
    this.#options.onGrown(recent.bytes)
    return recent
  }

  #wait(id: number): Promise<Answer> {
    return new Promise(resolve => {
      const waiters = this.#waiters.get(id)
      if (waiters) waiters.push(resolve)
      else this.#waiters.set(id, [resolve])
    })
  }
}
