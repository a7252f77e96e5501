import type { Member } from '../lib/routing/members.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import type { Logger } from '../lib/service/log.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import type { Bridge, Side } from '../lib/wire/bridge.ts'
import type { Message } from '../lib/wire/message.ts'
import { type Deliver, OUTCOMES, type Outcome } from '../lib/wire/outcome.ts'
import type { Transport } from '../lib/wire/transport/transport.ts'
import { deliverHere } from './deliver.ts'
import type { Registry } from './registry.ts'

export interface RouterOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly members: () => MemberSet
  readonly registry: Registry
  readonly transport: Transport
  /** Longest time one message may take, in milliseconds. */
  readonly timeoutMs: number
  /** Bytes of one sender that may be on their way before the sender is no longer read. */
  readonly maxQueueBytes: number
  readonly log: Logger
  readonly metrics: Metrics
}

/** Who sent a message: the connection it came in on, the side of it that wrote, and the user (empty: nobody known). */
export interface Sender {
  readonly bridge: Bridge
  readonly side: Side
  readonly user: string
}

interface Parcel {
  readonly message: Message
  readonly deliver: Deliver
  readonly bytes: number
}

/** What one side of a connection has on its way. */
interface Outbox {
  bytes: number
  held: boolean
  /** One lane a recipient. */
  readonly lanes: Map<string, Lane>
}

/**
 * The way of messages from one sender to one recipient, which keeps their order: a message starts when the one before it has its
 * outcome, or follows it at once where the transport keeps the order and both go to the same member.
 */
interface Lane {
  readonly waiting: Parcel[]
  /** Messages without an outcome, and their bytes. */
  moving: number
  movingBytes: number
  /** Where these go: a member's name, or here. */
  towards: string
}

/** Part of a recipient's queue that one lane may fill: a flood of one sender is held back before it takes the whole of it. */
const LANE_SHARE = 1 / 8

/** Where a message goes: to a member, to a connection of this pod, or to nobody. */
type Target = Member | 'here' | undefined

const nameOf = (target: Target): string => (typeof target === 'object' ? target.name : (target ?? ''))

/** What a parcel costs beyond its payload, so that empty messages are not free. */
const PARCEL_OVERHEAD_BYTES = 256

/** Takes addressed messages to wherever their recipients are connected; each ends in exactly one counted outcome. */
export class Router {
  readonly #options: RouterOptions
  readonly #outboxes = new WeakMap<Bridge, Record<Side, Outbox>>()
  readonly #routed
  readonly #duration

  constructor(options: RouterOptions) {
    this.#options = options
    this.#routed = options.metrics.counter('messages_routed_total', 'Addressed messages by outcome.', {
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

  /** Queues a message for its recipient; a sender with too much on its way is not read until some of it has arrived. */
  route(sender: Sender, recipient: string, deliver: Deliver, message: Message): void {
    const outbox = this.#outbox(sender)
    const parcel = { message, deliver, bytes: message.data.length + PARCEL_OVERHEAD_BYTES }
    outbox.bytes += parcel.bytes
    this.#regulate(sender, outbox)
    const lane = outbox.lanes.get(recipient)
    if (lane) lane.waiting.push(parcel)
    else outbox.lanes.set(recipient, { waiting: [parcel], moving: 0, movingBytes: 0, towards: '' })
    this.#advance(sender, outbox, recipient)
  }

  /** Starts all messages of a lane that may start now. */
  #advance(sender: Sender, outbox: Outbox, recipient: string): void {
    const lane = outbox.lanes.get(recipient) as Lane
    for (let parcel = lane.waiting[0]; parcel; parcel = lane.waiting[0]) {
      if (lane.moving > 0 && lane.movingBytes + parcel.bytes > this.#options.maxQueueBytes * LANE_SHARE) return
      const target = this.#locate(recipient)
      if (lane.moving > 0 && !this.#follows(lane, target)) return
      lane.waiting.shift()
      lane.moving++
      lane.movingBytes += parcel.bytes
      lane.towards = nameOf(target)
      void this.#carry(sender, outbox, recipient, lane, parcel, target)
    }
    if (lane.moving === 0) outbox.lanes.delete(recipient)
  }

  async #carry(
    sender: Sender,
    outbox: Outbox,
    recipient: string,
    lane: Lane,
    parcel: Parcel,
    target: Target,
  ): Promise<void> {
    await this.#forward(sender.user, recipient, parcel, target)
    lane.moving--
    lane.movingBytes -= parcel.bytes
    outbox.bytes -= parcel.bytes
    this.#advance(sender, outbox, recipient)
    this.#regulate(sender, outbox)
  }

  #follows(lane: Lane, target: Target): boolean {
    return typeof target === 'object' && target.name === lane.towards && this.#options.transport.pipelines(target)
  }

  async #forward(from: string, recipient: string, { message, deliver }: Parcel, target: Target): Promise<void> {
    const { registry, transport, timeoutMs, log } = this.#options
    const end = this.#duration.startTimer()
    const outcome = await withDeadline<Outcome>(timeoutMs, 'timeout', async signal => {
      if (target === 'here') return deliverHere(registry, recipient, deliver, message)
      return target ? transport.send(target, recipient, deliver, message, signal) : 'no_owner'
    })
    end()
    this.#routed.inc({ outcome })
    log.debug({ from, recipient, member: target === 'here' ? this.#options.self : nameOf(target), outcome }, 'routed')
  }

  /** A user who is connected here is here, whoever owns them; else the owner is asked. */
  #locate(recipient: string): Target {
    const { self, members, registry } = this.#options
    if (registry.connections(recipient).length > 0) return 'here'
    const owner = members().owner(recipient)
    return owner?.name === self ? 'here' : owner
  }

  #outbox({ bridge, side }: Sender): Outbox {
    let outboxes = this.#outboxes.get(bridge)
    if (!outboxes) {
      const empty = (): Outbox => ({ bytes: 0, held: false, lanes: new Map() })
      outboxes = { client: empty(), upstream: empty() }
      this.#outboxes.set(bridge, outboxes)
    }
    return outboxes[side]
  }

  #regulate({ bridge, side }: Sender, outbox: Outbox): void {
    const { maxQueueBytes } = this.#options
    if (!outbox.held && outbox.bytes > maxQueueBytes) {
      outbox.held = true
      bridge.hold(side)
    } else if (outbox.held && outbox.bytes <= maxQueueBytes / 2) {
      outbox.held = false
      bridge.release(side)
    }
  }
}

/** Runs `work`, but answers `late` after `ms`; the signal tells the work that nobody waits any more. */
async function withDeadline<T>(ms: number, late: T, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const abort = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const expired = new Promise<T>(resolve => {
    timer = setTimeout(() => {
      resolve(late)
      abort.abort()
    }, ms)
  })
  try {
    return await Promise.race([work(abort.signal), expired])
  } finally {
    clearTimeout(timer)
  }
}
