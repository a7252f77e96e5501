import { OUTCOMES, type Outcome } from '../lib/wire/outcome.ts'
import { isBefore } from '../lib/wire/transport/serial-numbers.ts'

/** Messages of one sender that are remembered: more than a link's window holds of the smallest. */
const SIZE = 8192

const PENDING = 0
const NOT_DELIVERED = 255

/**
 * What is known of a message: it is new here, it was delivered or refused with this outcome, it is being delivered, it was not
 * delivered, or it is too long ago to say.
 */
export type Known = Outcome | 'new' | 'pending' | 'not_delivered' | 'forgotten'

/** The outcomes of the last messages of one sender, in little memory. Their ids come in rising order. */
export class RecentIds {
  readonly #ids = new Uint32Array(SIZE)
  readonly #states = new Uint8Array(SIZE)
  /** How many were ever added. */
  #count = 0

  /** Remembers a message whose id is above all before it; returns what {@link settle} needs. */
  add(id: number): number {
    const slot = this.#count++ % SIZE
    this.#ids[slot] = id
    this.#states[slot] = PENDING
    return slot
  }

  /** @param outcome `undefined`: it was not delivered, and could still be */
  settle(slot: number, id: number, outcome: Outcome | undefined): void {
    if (this.#ids[slot] === id)
      this.#states[slot] = outcome === undefined ? NOT_DELIVERED : OUTCOMES.indexOf(outcome) + 1
  }

  /** A message that was not delivered is delivered again; returns what {@link settle} needs, `undefined` if it is not remembered. */
  reopen(id: number): number | undefined {
    const slot = this.#slot(id)
    if (slot !== undefined) this.#states[slot] = PENDING
    return slot
  }

  find(id: number): Known {
    const slot = this.#slot(id)
    if (slot === undefined) return this.#isNew(id) ? 'new' : 'forgotten'
    const state = this.#states[slot] as number
    if (state === PENDING) return 'pending'
    return state === NOT_DELIVERED ? 'not_delivered' : (OUTCOMES[state - 1] as Outcome)
  }

  /** Where a message is remembered. */
  #slot(id: number): number | undefined {
    let low = Math.max(0, this.#count - SIZE)
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(this.#at(middle), id)) low = middle + 1
      else high = middle
    }
    return low < this.#count && this.#at(low) === id ? low % SIZE : undefined
  }

  #isNew(id: number): boolean {
    return this.#count === 0 || isBefore(this.#at(this.#count - 1), id)
  }

  #at(position: number): number {
    return this.#ids[position % SIZE] as number
  }
}
