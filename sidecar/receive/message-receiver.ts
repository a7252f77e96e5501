import { randomBytes } from 'node:crypto'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { KnownPeers } from '../peers/known-peers.ts'
import type { LocationCache } from '../send/location-cache.ts'
import { BOOT_BYTES, SMALLEST_DELIVER_BYTES } from '../transport/link/link-frames.ts'
import type { Answer } from '../transport/outcome.ts'
import type { Receiver, RoutedMessage, Session } from '../transport/transport.ts'
import type { Delivery } from './delivery.ts'
import { SenderSession } from './sender-session.ts'

/** Number of sending processes remembered, and for how long after their last sign of life, in milliseconds. */
const MAX_SENDERS = 4000
const SENDER_MS = 120_000

/**
 * Number of messages remembered per sender: as many of the smallest as fit in a link's window, so that messages in
 * flight on a broken link are still known when they are repeated. Windows above 1 MiB reach the upper bound.
 */
const MIN_RECENT = 8192
const MAX_RECENT = 65_536

/** Share of the allotment freed when it is exceeded, so that the next message does not exceed it again. */
const FREED_PART = 1 / 16

/** Interval at which expired memory is taken off the account, in milliseconds. */
const RECOUNT_MS = 1000

export interface MessageReceiverOptions {
  readonly delivery: Pick<Delivery, 'deliver'>
  readonly locationCache: Pick<LocationCache, 'announced'>
  readonly knownPeers: Pick<KnownPeers, 'get' | 'addVerified'>
  /** A connection of another pod that has sent messages here has ended. */
  readonly ended: (connection: string) => void
  /** Bytes that a sender may send on a link before they are acknowledged as read. */
  readonly windowBytes: number
  readonly metrics: Metrics
  /** Memory of everything remembered. */
  readonly memory: Allotment
  /** Maximum number of senders remembered. */
  readonly maxSenders?: number
}

/** Receives messages of other sidecars: each once, and those of a lane in order. */
export class MessageReceiver implements Receiver {
  readonly boot = randomBytes(BOOT_BYTES)
  readonly #options: MessageReceiverOptions
  readonly #senders: ExpiringMap<string, SenderSession>
  readonly #recent: number
  readonly #repeated: () => void
  /** Whether a sender was forgotten: a sender that seems new may then have been known before. */
  #forgetful = false
  /** On the clock of `performance.now()`. */
  #recountAt = 0

  constructor(options: MessageReceiverOptions) {
    this.#options = options
    this.#senders = new ExpiringMap({
      keepMs: SENDER_MS,
      maxEntries: options.maxSenders ?? MAX_SENDERS,
      onEvict: () => {
        this.#forgetful = true
      },
    })
    const window = Math.ceil(options.windowBytes / SMALLEST_DELIVER_BYTES)
    this.#recent = Math.min(MAX_RECENT, Math.max(MIN_RECENT, window))
    const duplicates = options.metrics.counter(
      'duplicates_total',
      'Repeated messages of other sidecars, which were not delivered again.',
    )
    this.#repeated = () => duplicates.inc()
  }

  from(sender: string, session?: Session): Session {
    const known = this.#senders.get(sender) ?? (session instanceof SenderSession ? session : this.#create())
    // Set again to extend its lifetime.
    this.#senders.set(sender, known)
    if (performance.now() >= this.#recountAt) this.#recount()
    return known
  }

  #create(): SenderSession {
    const { delivery } = this.#options
    return new SenderSession(delivery, {
      most: this.#recent,
      isWhole: !this.#forgetful,
      onRepeated: this.#repeated,
      onGrown: bytes => this.#grew(bytes),
    })
  }

  receive(routed: Omit<RoutedMessage, 'lane' | 'start'>): Answer | Promise<Answer> {
    return this.#options.delivery.deliver(routed)
  }

  addVerified(member: string): void {
    this.#options.knownPeers.addVerified(member)
  }

  knows(member: string): boolean {
    return this.#options.knownPeers.get(member) !== undefined
  }

  announced(member: string, users: readonly string[]): void {
    this.#options.locationCache.announced(member, users)
  }

  ended(connection: string): void {
    this.#options.ended(connection)
  }

  /**
   * If all senders together use too much memory, the lanes of the least recently active senders are forgotten first; if
   * that is not enough, everything about them is.
   */
  #grew(bytes: number): void {
    const { memory } = this.#options
    memory.change(bytes)
    if (memory.has(0)) return
    this.#recount()
    if (memory.has(0)) return
    const sessions = Array.from(this.#senders.entries(), ([, session]) => session)
    const hasRoom = () => memory.has(memory.maxBytes * FREED_PART)
    for (const session of sessions) {
      if (hasRoom()) return
      memory.change(-session.forgetLanes())
    }
    for (const session of sessions) {
      if (hasRoom()) return
      memory.change(-session.forget())
    }
  }

  /** Corrects the account by what senders have forgotten themselves, and by expired senders. */
  #recount(): void {
    let sum = 0
    for (const [, session] of this.#senders.entries()) sum += session.bytes
    const { memory } = this.#options
    memory.change(sum - memory.bytes)
    this.#recountAt = performance.now() + RECOUNT_MS
  }
}
