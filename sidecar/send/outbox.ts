import type { Bridge, Side } from '../../lib/bridge/bridge.ts'
import type { Outcome } from '../transport/outcome.ts'
import { type AddressedMessage, Lane, type LaneListener, type LaneOptions, type PendingMessage } from './lane.ts'

/**
 * Maximum number of recipients that one side of a connection sends to at a time: each costs far more than its bytes,
 * above all during a search, and one socket read can bring thousands.
 */
const MAX_STARTED = 128

/** Maximum number of idle lanes remembered per side of a connection; the oldest go first. */
const MAX_UNCONFIRMED = 1000

/** Approximate further memory of a message: itself, its lane, and the wait for its answer. Charged to its sender. */
const MESSAGE_MEMORY_BYTES = 768

/** A connection that messages come in on. */
export type Source = Pick<Bridge, 'hold' | 'release' | 'send' | 'charge'>

export interface OutboxOptions extends LaneOptions {
  /** Number of the next lane of this process. */
  readonly nextLane: () => number
}

export interface OutboxListener {
  /** A message has its outcome. @param member as in {@link LaneListener} */
  onOutcome(pending: PendingMessage, outcome: Outcome, member: string): void
  /** A message is no longer in progress. */
  onEnd(): void
}

/** The messages of one side of a connection that are in progress. The side is not read while they are too many. */
export class Outbox implements LaneListener {
  readonly #source: Source
  readonly #side: Side
  readonly #options: OutboxOptions
  readonly #listener: OutboxListener
  #bytes = 0
  #held = false
  /** One lane per recipient. */
  readonly #lanes = new Map<string, Lane>()
  /** Number of lanes that may have messages in flight, and the lanes that wait for one of them to end. */
  #started = 0
  readonly #unstarted = new Set<Lane>()
  /** Numbers of idle lanes with a timed-out message: such a lane keeps its number when it is used again. */
  readonly #unconfirmed = new Map<string, number>()

  constructor(source: Source, side: Side, options: OutboxOptions, listener: OutboxListener) {
    this.#source = source
    this.#side = side
    this.#options = options
    this.#listener = listener
  }

  /** Whether no message is in progress. */
  get isEmpty(): boolean {
    return this.#bytes === 0
  }

  /** Queues a message in the lane of its recipient. */
  push(message: AddressedMessage): void {
    const lane = this.#lanes.get(message.user) ?? this.#createLane(message.user)
    this.#change(lane.push(message).bytes + MESSAGE_MEMORY_BYTES)
    if (this.#unstarted.has(lane)) this.#startNext()
    else lane.advance()
  }

  onOutcome(pending: PendingMessage, outcome: Outcome, member: string): void {
    this.#listener.onOutcome(pending, outcome, member)
    this.#change(-pending.bytes - MESSAGE_MEMORY_BYTES)
    this.#listener.onEnd()
  }

  onEmpty({ recipient, number, unconfirmed }: Lane): void {
    this.#lanes.delete(recipient)
    this.#started--
    if (unconfirmed) this.#remember(recipient, number)
    this.#startNext()
  }

  #createLane(recipient: string): Lane {
    const number = this.#unconfirmed.get(recipient) ?? this.#options.nextLane()
    const lane = new Lane(recipient, number, this.#options, this)
    this.#lanes.set(recipient, lane)
    this.#unstarted.add(lane)
    return lane
  }

  /** Starts the lane that has waited longest, if any, and if the limit allows it. */
  #startNext(): void {
    if (this.#started >= MAX_STARTED) return
    const [lane] = this.#unstarted
    if (!lane) return
    this.#unstarted.delete(lane)
    this.#started++
    lane.advance()
  }

  #remember(recipient: string, number: number): void {
    const numbers = this.#unconfirmed
    numbers.delete(recipient)
    numbers.set(recipient, number)
    if (numbers.size > MAX_UNCONFIRMED) numbers.delete(numbers.keys().next().value as string)
  }

  /** Accounts for bytes in progress, and stops or resumes reading. */
  #change(bytes: number): void {
    this.#bytes += bytes
    this.#source.charge(bytes)
    const maxQueueBytes = this.#options.maxQueueBytes()
    if (!this.#held && this.#bytes > maxQueueBytes) {
      this.#held = true
      this.#source.hold(this.#side)
    } else if (this.#held && this.#bytes <= maxQueueBytes / 2) {
      this.#held = false
      this.#source.release(this.#side)
    }
  }
}
