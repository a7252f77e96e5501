import type { Side } from '../../lib/bridge/bridge.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import type { Message } from '../../lib/websocket/message.ts'
import { type Deliver, OUTCOMES, type Outcome } from '../transport/outcome.ts'
import type { Origin } from '../transport/transport.ts'
import type { PendingMessage } from './lane.ts'
import { Outbox, type OutboxOptions, type Source } from './outbox.ts'
import type { Receipts } from './receipts.ts'

export interface RouterOptions extends OutboxOptions {
  /** Sends clients the outcomes of their messages, if receipts are enabled. */
  readonly receipts?: Receipts | undefined
  readonly log: Logger
  readonly metrics: Metrics
}

/** The sender of a message: its connection, the side of it that wrote, and the user (empty: unknown). */
export interface Sender {
  readonly bridge: Source
  readonly side: Side
  readonly user: string
  /** The client's connection, if its messages are delivered as the sender's. */
  readonly origin?: Origin | undefined
}

/** The outboxes of a connection, and the waiters for the moment when both are empty. */
interface Outboxes extends Readonly<Record<Side, Outbox>> {
  readonly idle: (() => void)[]
}

const areEmpty = ({ client, upstream }: Outboxes): boolean => client.isEmpty && upstream.isEmpty

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
  route({ bridge, side, user, origin }: Sender, recipient: string, deliver: Deliver, message: Message): void {
    this.#underWay++
    this.#outboxesOf(bridge)[side].push({ user: recipient, deliver, message, origin, from: user })
  }

  /** Resolves when all messages from either side of the connection have their outcomes. */
  idle(bridge: Source): Promise<void> {
    const outboxes = this.#outboxes.get(bridge)
    if (!outboxes || areEmpty(outboxes)) return Promise.resolve()
    return new Promise(resolve => outboxes.idle.push(resolve))
  }

  /** Resolves when all messages have their outcomes, including those of senders that have left. */
  settled(): Promise<void> {
    return this.#underWay === 0 ? Promise.resolve() : new Promise(resolve => this.#settled.push(resolve))
  }

  #outboxesOf(source: Source): Outboxes {
    const known = this.#outboxes.get(source)
    if (known) return known
    const onEnd = () => this.#ended(outboxes)
    const outboxes: Outboxes = {
      client: new Outbox(source, 'client', this.#options, {
        onEnd,
        onOutcome: (pending, outcome, member) => {
          this.#report(pending, outcome, member)
          this.#options.receipts?.send(source, pending.user, pending.message, outcome)
        },
      }),
      upstream: new Outbox(source, 'upstream', this.#options, {
        onEnd,
        onOutcome: (pending, outcome, member) => this.#report(pending, outcome, member),
      }),
      idle: [],
    }
    this.#outboxes.set(source, outboxes)
    return outboxes
  }

  #report({ from, user, since }: PendingMessage, outcome: Outcome, member: string): void {
    this.#routed.inc({ outcome })
    this.#duration.observe((performance.now() - since) / 1000)
    this.#options.log.debug({ from, recipient: user, member, outcome }, 'routed')
  }

  #ended(outboxes: Outboxes): void {
    if (outboxes.idle.length > 0 && areEmpty(outboxes)) for (const resolve of outboxes.idle.splice(0)) resolve()
    if (--this.#underWay === 0) for (const resolve of this.#settled.splice(0)) resolve()
  }
}
