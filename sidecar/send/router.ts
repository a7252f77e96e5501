import type { Bridge, Side } from '../../lib/bridge/bridge.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import type { Message } from '../../lib/websocket/message.ts'
import { deadlineIn } from '../transport/deadline.ts'
import { type Deliver, OUTCOMES, type Outcome } from '../transport/outcome.ts'
import type { Origin, Transport } from '../transport/transport.ts'
import { type Finder, isMiss, type Miss, type Target } from './finder.ts'
import {
  createOutboxes,
  type Lane,
  laneTo,
  type Outbox,
  type Outboxes,
  type PendingMessage,
  retire,
  startNext,
} from './outbox.ts'
import type { Receipts } from './receipts.ts'
import { EXTENDED_WAIT_FACTOR } from './search.ts'

export interface RouterOptions {
  readonly finder: Finder
  readonly transport: Pick<Transport, 'pipelines'>
  /** Number of the next lane of this process. */
  readonly nextLane: () => number
  /**
   * Time limit for one member to take a message, and for a recipient who is not found (`recipientWaitMs`; {@link
   * EXTENDED_WAIT_FACTOR} times as long for one who must be connected somewhere), in milliseconds.
   */
  readonly timeoutMs: number
  readonly recipientWaitMs: number
  /** Bytes that one sender may have in progress before it is no longer read; fewer while memory is short. */
  readonly maxQueueBytes: () => number
  /** Sends clients the outcomes of their messages, if receipts are enabled. */
  readonly receipts?: Receipts | undefined
  readonly log: Logger
  readonly metrics: Metrics
}

/** A connection that messages come in on. */
export type Source = Pick<Bridge, 'hold' | 'release' | 'send' | 'charge'>

/** The sender of a message: its connection, the side of it that wrote, and the user (empty: unknown). */
export interface Sender {
  readonly bridge: Source
  readonly side: Side
  readonly user: string
  /** The client's connection, if its messages are delivered as the sender's. */
  readonly origin?: Origin | undefined
}

/** How often a message is resent because its sender's connection is unknown at the recipient's pod. */
const MAX_INTRODUCTIONS = 3

/** Share of a recipient's queue that one lane may fill: one sender's flood is throttled before it takes all of it. */
const LANE_SHARE = 1 / 8

/** Cost of a message in its lane beyond its payload, so that empty messages are not free. */
const LANE_OVERHEAD_BYTES = 256

/** Approximate further memory of a message: itself, its lane, and the wait for its answer. Charged to its sender. */
const MESSAGE_MEMORY_BYTES = 768

/** Routes addressed messages to the pods of their recipients; each ends in exactly one counted outcome. */
export class Router {
  readonly #options: RouterOptions
  readonly #outboxes = new WeakMap<Source, Outboxes>()
  /** Number of messages without an outcome, and the waiters for zero. */
  #underWay = 0
  #settled: (() => void)[] = []
  readonly #routed
  readonly #duration

  constructor(options: RouterOptions) {
    this.#options = options
    this.#routed = options.metrics.counter('messages_routed_total', 'Addressed messages, by outcome.', {
      labelNames: ['outcome'],
    })
    for (const outcome of OUTCOMES) this.#routed.inc({ outcome }, 0)
    this.#duration = options.metrics.histogram(
      'forward_duration_seconds',
      'Time from an addressed message to its outcome.',
      {
        buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5],
      },
    )
  }

  /**
   * Queues a message for its recipient; a sender with too many bytes in progress is not read until some have arrived.
   */
  route(sender: Sender, recipient: string, deliver: Deliver, message: Message): void {
    const outbox = this.#outboxesOf(sender.bridge)[sender.side]
    const lane = laneTo(outbox, recipient, this.#options.nextLane)
    const pending: PendingMessage = {
      user: recipient,
      deliver,
      message,
      lane: lane.number,
      start: false,
      deliveredTo: undefined,
      origin: sender.origin,
      introductions: 0,
      bytes: message.data.length + LANE_OVERHEAD_BYTES,
      order: lane.count++,
      since: performance.now(),
      until: 0,
    }
    outbox.bytes += pending.bytes + MESSAGE_MEMORY_BYTES
    sender.bridge.charge(pending.bytes + MESSAGE_MEMORY_BYTES)
    this.#underWay++
    this.#regulate(sender, outbox)
    lane.waiting.push(pending)
    if (outbox.unstarted.has(lane)) this.#startNext(sender, outbox)
    else this.#advance(sender, outbox, lane)
  }

  #startNext(sender: Sender, outbox: Outbox): void {
    const lane = startNext(outbox)
    if (lane) this.#advance(sender, outbox, lane)
  }

  /** Resolves when all messages from either side of the connection have their outcomes. */
  idle(bridge: Source): Promise<void> {
    const outboxes = this.#outboxes.get(bridge)
    if (!outboxes || outboxes.client.bytes + outboxes.upstream.bytes === 0) return Promise.resolve()
    return new Promise(resolve => outboxes.idle.push(resolve))
  }

  /** Resolves when all messages have their outcomes, including those of senders that have left. */
  settled(): Promise<void> {
    return this.#underWay === 0 ? Promise.resolve() : new Promise(resolve => this.#settled.push(resolve))
  }

  /** Starts all messages of a lane that may start now. */
  #advance(sender: Sender, outbox: Outbox, lane: Lane): void {
    const { finder, maxQueueBytes, timeoutMs, recipientWaitMs } = this.#options
    if (lane.stopped && lane.moving > 0) return
    lane.stopped = false
    if (lane.returned.length > 0) {
      this.#searchNext(sender, outbox, lane)
      return
    }
    for (let pending = lane.waiting[0]; pending; pending = lane.waiting[0]) {
      if (lane.moving > 0 && lane.movingBytes + pending.bytes > maxQueueBytes() * LANE_SHARE) return
      const target = finder.locate(lane.recipient)
      if (lane.moving > 0 && !this.#follows(lane, target)) return
      lane.waiting.shift()
      pending.start = lane.moving === 0
      // Set once, so that all attempts with an introduction share one limit.
      if (pending.introductions === 0)
        pending.until = performance.now() + Math.max(timeoutMs, EXTENDED_WAIT_FACTOR * recipientWaitMs)
      lane.moving++
      lane.movingBytes += pending.bytes
      lane.towards = finder.nameOf(target)
      void this.#carry(sender, outbox, lane, pending, target)
    }
    if (lane.moving > 0) return
    retire(outbox, lane)
    this.#startNext(sender, outbox)
  }

  async #carry(sender: Sender, outbox: Outbox, lane: Lane, pending: PendingMessage, target: Target): Promise<void> {
    const { finder, timeoutMs } = this.#options
    // Deadlines of equal length are shared, so only repeated attempts get one of their own.
    const limitMs =
      pending.introductions === 0 ? timeoutMs : Math.max(1, Math.min(timeoutMs, pending.until - performance.now()))
    const answer = await finder.ask(target, pending, deadlineIn(limitMs))
    lane.moving--
    lane.movingBytes -= pending.bytes
    if (isMiss(answer)) this.#missed(sender, outbox, lane, pending, target, answer)
    else this.#finish(sender, outbox, lane, pending, answer, finder.nameOf(target))
    this.#advance(sender, outbox, lane)
  }

  /** Stops a lane until all its messages are back; it then restarts with the first undelivered one. */
  #missed(sender: Sender, outbox: Outbox, lane: Lane, pending: PendingMessage, target: Target, miss: Miss): void {
    const { finder, recipientWaitMs } = this.#options
    lane.stopped = true
    if (typeof miss === 'object' && miss.introduce) {
      lane.returned.push({ pending, target, miss })
      return
    }
    const search = finder.search(pending.user, target, miss, recipientWaitMs)
    const step = search.next(performance.now() - pending.since)
    if ('outcome' in step && lane.returned.length === 0)
      this.#finish(sender, outbox, lane, pending, step.outcome, finder.nameOf(target))
    else lane.returned.push({ pending, target, miss })
  }

  #searchNext(sender: Sender, outbox: Outbox, lane: Lane): void {
    const { finder, recipientWaitMs } = this.#options
    const [first, ...rest] = lane.returned.sort((a, b) => a.pending.order - b.pending.order)
    if (!first) return
    const { pending, target, miss } = first
    lane.returned = []
    lane.waiting = [...rest.map(returned => returned.pending), ...lane.waiting]
    if (typeof miss === 'object' && miss.introduce) {
      this.#introduceAgain(sender, outbox, lane, pending)
      return
    }
    // The search counts as the lane's only message in flight, so that none follows.
    lane.stopped = true
    lane.moving = 1
    pending.start = true
    const search = finder.search(pending.user, target, miss, recipientWaitMs)
    void finder.seek(search, pending, pending.since, pending.until).then(outcome => {
      lane.moving = 0
      this.#finish(sender, outbox, lane, pending, outcome, '')
      this.#advance(sender, outbox, lane)
    })
  }

  /** Queues a message again; the transport includes the handshake this time. */
  #introduceAgain(sender: Sender, outbox: Outbox, lane: Lane, pending: PendingMessage): void {
    const isLate = performance.now() >= pending.until
    if (++pending.introductions > MAX_INTRODUCTIONS || isLate)
      this.#finish(sender, outbox, lane, pending, 'rejected', '')
    else lane.waiting.unshift(pending)
    this.#advance(sender, outbox, lane)
  }

  #follows(lane: Lane, target: Target): boolean {
    return typeof target === 'object' && target.name === lane.towards && this.#options.transport.pipelines(target)
  }

  #finish(sender: Sender, outbox: Outbox, lane: Lane, pending: PendingMessage, outcome: Outcome, member: string): void {
    const { receipts, log } = this.#options
    // It may still arrive, and must then be recognized as older than later messages.
    if (outcome === 'timeout') lane.unconfirmed = true
    this.#routed.inc({ outcome })
    this.#duration.observe((performance.now() - pending.since) / 1000)
    log.debug({ from: sender.user, recipient: pending.user, member, outcome }, 'routed')
    if (sender.side === 'client') receipts?.send(sender.bridge, pending.user, pending.message, outcome)
    outbox.bytes -= pending.bytes + MESSAGE_MEMORY_BYTES
    sender.bridge.charge(-pending.bytes - MESSAGE_MEMORY_BYTES)
    this.#regulate(sender, outbox)
    this.#tellIdle(sender.bridge)
    if (--this.#underWay === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }

  #tellIdle(bridge: Source): void {
    const outboxes = this.#outboxes.get(bridge)
    if (!outboxes || outboxes.idle.length === 0 || outboxes.client.bytes + outboxes.upstream.bytes > 0) return
    for (const resolve of outboxes.idle.splice(0)) resolve()
  }

  #outboxesOf(bridge: Source): Outboxes {
    let outboxes = this.#outboxes.get(bridge)
    if (!outboxes) {
      outboxes = createOutboxes()
      this.#outboxes.set(bridge, outboxes)
    }
    return outboxes
  }

  #regulate({ bridge, side }: Sender, outbox: Outbox): void {
    const maxQueueBytes = this.#options.maxQueueBytes()
    if (!outbox.held && outbox.bytes > maxQueueBytes) {
      outbox.held = true
      bridge.hold(side)
    } else if (outbox.held && outbox.bytes <= maxQueueBytes / 2) {
      outbox.held = false
      bridge.release(side)
    }
  }
}
