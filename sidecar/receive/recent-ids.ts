import { OUTCOMES, type Outcome } from '../transport/outcome.ts'
import { isBefore } from '../transport/serial-numbers.ts'

/** How many messages there is room for at first: most senders never have more under way. */
const FIRST_SIZE = 512

const PENDING = 0
const NOT_DELIVERED = 255

/**
 * What is known of a message: it is new here, it was delivered or refused with this outcome, it is being delivered, it was not
 * delivered, or it is too long ago to say.
 */
export type Known = Outcome | 'new' | 'pending' | 'not_delivered' | 'forgotten'

/** The outcomes of the last messages of one sender, in little memory. Their ids come in rising order. */
export class RecentIds {
  readonly #most: number
  #ids: Uint32Array
  #states: Uint8Array
  /** How many were ever added. */
  #count = 0

  /** @param most how many are remembered */
  constructor(most: number) {
    this.#most = most
    this.#ids = new Uint32Array(Math.min(FIRST_SIZE, most))
    this.#states = new Uint8Array(this.#ids.length)
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#ids.byteLength + this.#states.byteLength
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Remembers a message whose id is above all before it; returns what {@link settle} needs. */
  add(id: number): number {
    if (this.#count === this.#ids.length && this.#count < this.#most) this.#grow()
    const slot = this.#count++ % this.#ids.length
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
    let low = Math.max(0, this.#count - this.#ids.length)
    let high = this.#count
    while (low < high) {
      const middle = (low + high) >>> 1
      if (isBefore(this.#at(middle), id)) low = middle + 1
      else high = middle
    }
    return low < this.#count && this.#at(low) === id ? low % this.#ids.length : undefined
  }

  #isNew(id: number): boolean {
    return this.#count === 0 || isBefore(this.#at(this.#count - 1), id)
  }

  #at(position: number): number {
    return this.#ids[position % this.#ids.length] as number
  }

  /** While there is room, none has taken another's place: each stays in its own. */
  #grow(): void {
    const size = Math.min(this.#most, this.#ids.length * 2)
    const [ids, states] = [new Uint32Array(size), new Uint8Array(size)]
    ids.set(this.#ids)
    states.set(this.#states)
    this.#ids = ids
    this.#states = states
  }
}
