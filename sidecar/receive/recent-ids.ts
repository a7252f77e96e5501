import { OUTCOMES, type Outcome } from '../transport/outcome.ts'
import { isBefore } from '../transport/serial-numbers.ts'

/** Initial capacity: most senders never have more messages in flight. */
const FIRST_SIZE = 512

const PENDING = 0
const NOT_DELIVERED = 255

/**
 * State of a message: new here, delivered or refused with this outcome, in delivery, not delivered, or too old to tell.
 */
export type Known = Outcome | 'new' | 'pending' | 'not_delivered' | 'forgotten'

/** Outcomes of a sender's most recent messages, in compact form. Ids are added in rising order. */
export class RecentIds {
  readonly #most: number
  #ids: Uint32Array
  #states: Uint8Array
  /** Total number of messages ever added. */
  #count = 0

  /** @param most number of messages to remember */
  constructor(most: number) {
    this.#most = most
    this.#ids = new Uint32Array(Math.min(FIRST_SIZE, most))
    this.#states = new Uint8Array(this.#ids.length)
  }

  /** Memory of this object. */
  get bytes(): number {
    return this.#ids.byteLength + this.#states.byteLength
  }

  get isEmpty(): boolean {
    return this.#count === 0
  }

  /** Adds a message whose id is higher than all before it; returns the slot that {@link settle} needs. */
  add(id: number): number {
    if (this.#count === this.#ids.length && this.#count < this.#most) this.#grow()
    const slot = this.#count++ % this.#ids.length
    this.#ids[slot] = id
    this.#states[slot] = PENDING
    return slot
  }

  /** @param outcome `undefined`: the message was not delivered, and still could be */
  settle(slot: number, id: number, outcome: Outcome | undefined): void {
    if (this.#ids[slot] === id)
      this.#states[slot] = outcome === undefined ? NOT_DELIVERED : OUTCOMES.indexOf(outcome) + 1
  }

  /**
   * Reopens an undelivered message for another delivery; returns the slot for {@link settle}, `undefined` if it is
   * forgotten.
   */
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

  /** Slot of a remembered message. */
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

  /** The buffer only grows before it first wraps around, so every message keeps its slot. */
  #grow(): void {
    const size = Math.min(this.#most, this.#ids.length * 2)
    const [ids, states] = [new Uint32Array(size), new Uint8Array(size)]
    ids.set(this.#ids)
    states.set(this.#states)
    this.#ids = ids
    this.#states = states
  }
}
