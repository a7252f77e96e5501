import { deadlineIn } from '../transport/deadline.ts'
import type { Outcome } from '../transport/outcome.ts'
import type { RoutedMessage, Transport } from '../transport/transport.ts'
import { type Finder, isMiss, type Miss, type Target } from './finder.ts'
import { EXTENDED_WAIT_FACTOR, type Search } from './search.ts'

/** How often a message is resent because its sender's connection is unknown at the recipient's pod. */
const MAX_INTRODUCTIONS = 3

/** Share of a recipient's queue that one lane may fill: one sender's flood is throttled before it takes all of it. */
const LANE_SHARE = 1 / 8

/** Cost of a message in its lane beyond its payload, so that empty messages are not free. */
const LANE_OVERHEAD_BYTES = 256

/** An addressed message, as its sender wrote it. */
export interface AddressedMessage extends Pick<RoutedMessage, 'user' | 'deliver' | 'message' | 'origin'> {
  /** User who sent it; empty: unknown. */
  readonly from: string
}

/** A message in progress. Times are on the clock of `performance.now()`. */
export interface PendingMessage extends RoutedMessage, Pick<AddressedMessage, 'from'> {
  start: boolean
  readonly bytes: number
  /** How often it was resent with its sender's handshake, because the other pod no longer knew the connection. */
  introductions: number
  /** Its position in its lane. */
  readonly order: number
  readonly since: number
  /** Time by which it must have its outcome. */
  until: number
}

/** A message that came back undelivered: its target, and the reason. */
interface Returned {
  readonly pending: PendingMessage
  readonly target: Target
  readonly miss: Miss
}

export interface LaneOptions {
  readonly finder: Finder
  readonly transport: Pick<Transport, 'pipelines'>
  /**
   * Time limit for one member to take a message, and for a recipient who is not found (`recipientWaitMs`; {@link
   * EXTENDED_WAIT_FACTOR} times as long for one who must be connected somewhere), in milliseconds.
   */
  readonly timeoutMs: number
  readonly recipientWaitMs: number
  /** Bytes that one sender may have in progress before it is no longer read; fewer while memory is short. */
  readonly maxQueueBytes: () => number
}

export interface LaneListener {
  /** A message has its outcome. @param member name of the member that it went to; empty: several or none */
  onOutcome(pending: PendingMessage, outcome: Outcome, member: string): void
  /** No message is in progress; the lane is not used again. */
  onEmpty(lane: Lane): void
}

/**
 * The ordered stream of messages from one sender to one recipient: a message starts when the previous one has its
 * outcome, or right after it if the transport keeps the order and both go to the same member. After an undelivered
 * message, nothing starts until no message is in flight; then the lane goes on with the first undelivered one.
 */
export class Lane {
  readonly recipient: string
  readonly number: number
  readonly #options: LaneOptions
  readonly #listener: LaneListener
  /** Number of messages ever queued. */
  #count = 0
  #waiting: PendingMessage[] = []
  #returned: Returned[] = []
  /** Number of messages in flight, their bytes, and the name of the member that they go to. */
  #inFlight = 0
  #inFlightBytes = 0
  #destination = ''
  #stopped = false
  #unconfirmed = false

  /** @param number unique in this process, also among the idle lanes with an unconfirmed message */
  constructor(recipient: string, number: number, options: LaneOptions, listener: LaneListener) {
    this.recipient = recipient
    this.number = number
    this.#options = options
    this.#listener = listener
  }

  /** Whether a message has timed out and may still arrive: it must then be recognized as older than later ones. */
  get unconfirmed(): boolean {
    return this.#unconfirmed
  }

  /** Queues a message, which {@link advance} starts. */
  push({ user, deliver, message, origin, from }: AddressedMessage): PendingMessage {
    const pending: PendingMessage = {
      user,
      deliver,
      message,
      origin,
      from,
      lane: this.number,
      start: false,
      deliveredTo: undefined,
      introductions: 0,
      bytes: message.data.length + LANE_OVERHEAD_BYTES,
      order: this.#count++,
      since: performance.now(),
      until: 0,
    }
    this.#waiting.push(pending)
    return pending
  }

  /** Starts all messages that may start now. */
  advance(): void {
    if (this.#stopped && this.#inFlight > 0) return
    this.#stopped = false
    if (this.#returned.length > 0) {
      this.#retry()
      return
    }
    for (let pending = this.#waiting[0]; pending; pending = this.#waiting[0]) {
      const target = this.#targetOf(pending)
      if (target === 'later') return
      this.#waiting.shift()
      this.#start(pending, target)
    }
    if (this.#inFlight === 0) this.#listener.onEmpty(this)
  }

  /** Where the next message goes; `later`: not while the messages in flight are there. */
  #targetOf(pending: PendingMessage): Target | 'later' {
    const { finder, maxQueueBytes } = this.#options
    if (this.#inFlight === 0) return finder.locate(this.recipient)
    if (this.#inFlightBytes + pending.bytes > maxQueueBytes() * LANE_SHARE) return 'later'
    const target = finder.locate(this.recipient)
    return this.#follows(target) ? target : 'later'
  }

  #follows(target: Target): boolean {
    return typeof target === 'object' && target.name === this.#destination && this.#options.transport.pipelines(target)
  }

  #start(pending: PendingMessage, target: Target): void {
    const { finder, timeoutMs, recipientWaitMs } = this.#options
    pending.start = this.#inFlight === 0
    // Set once, so that all attempts with an introduction share one limit.
    if (pending.introductions === 0)
      pending.until = performance.now() + Math.max(timeoutMs, EXTENDED_WAIT_FACTOR * recipientWaitMs)
    this.#inFlight++
    this.#inFlightBytes += pending.bytes
    this.#destination = finder.nameOf(target)
    void this.#carry(pending, target)
  }

  async #carry(pending: PendingMessage, target: Target): Promise<void> {
    const { finder, timeoutMs } = this.#options
    // Deadlines of equal length are shared, so only repeated attempts get one of their own.
    const limitMs =
      pending.introductions === 0 ? timeoutMs : Math.max(1, Math.min(timeoutMs, pending.until - performance.now()))
    const answer = await finder.ask(target, pending, deadlineIn(limitMs))
    this.#inFlight--
    this.#inFlightBytes -= pending.bytes
    if (isMiss(answer)) this.#missed({ pending, target, miss: answer })
    else this.#finish(pending, answer, finder.nameOf(target))
    this.advance()
  }

  /** Stops the lane; a message ends here if nobody else is to be asked and none before it came back. */
  #missed(returned: Returned): void {
    this.#stopped = true
    const { pending, target, miss } = returned
    if (!isUnintroduced(miss)) {
      const step = this.#search(returned).next(performance.now() - pending.since)
      if ('outcome' in step && this.#returned.length === 0) {
        this.#finish(pending, step.outcome, this.#options.finder.nameOf(target))
        return
      }
    }
    this.#returned.push(returned)
  }

  /** Goes on with the first message that came back; the others wait again. */
  #retry(): void {
    const [first, ...rest] = this.#returned.sort((a, b) => a.pending.order - b.pending.order)
    if (!first) return
    this.#returned = []
    this.#waiting = [...rest.map(({ pending }) => pending), ...this.#waiting]
    if (isUnintroduced(first.miss)) this.#introduceAgain(first.pending)
    else void this.#seek(first)
  }

  /** Queues a message again; the transport includes the handshake this time. */
  #introduceAgain(pending: PendingMessage): void {
    const isLate = performance.now() >= pending.until
    if (++pending.introductions > MAX_INTRODUCTIONS || isLate) this.#finish(pending, 'rejected', '')
    else this.#waiting.unshift(pending)
    this.advance()
  }

  /** Searches for the recipient. The message counts as the only one in flight, so that none follows. */
  async #seek(returned: Returned): Promise<void> {
    const { pending } = returned
    this.#stopped = true
    this.#inFlight = 1
    pending.start = true
    const outcome = await this.#options.finder.seek(this.#search(returned), pending, pending.since, pending.until)
    this.#inFlight = 0
    this.#finish(pending, outcome, '')
    this.advance()
  }

  #search({ pending, target, miss }: Returned): Search {
    return this.#options.finder.search(pending.user, target, miss, this.#options.recipientWaitMs)
  }

  #finish(pending: PendingMessage, outcome: Outcome, member: string): void {
    if (outcome === 'timeout') this.#unconfirmed = true
    this.#listener.onOutcome(pending, outcome, member)
  }
}

const isUnintroduced = (miss: Miss): boolean => typeof miss === 'object' && miss.introduce === true
