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

/** Sending processes that are remembered, and for how long after they were last heard of, in milliseconds. */
const MAX_SENDERS = 4000
const SENDER_MS = 120_000

/**
 * Messages of one sender that are remembered: as many as a link's window holds of the smallest, so that none of those that a link
 * carries when it breaks is forgotten when it comes again; within bounds, of which the upper one is reached by windows above 1 MiB.
 */
const MIN_RECENT = 8192
const MAX_RECENT = 65_536

/** Part of what may be remembered that is free again when too much was: so that this does not begin anew with the next message. */
const FREED_PART = 1 / 16

/** How often what expired is taken off the account, in milliseconds. */
const RECOUNT_MS = 1000

export interface MessageReceiverOptions {
  readonly delivery: Pick<Delivery, 'deliver'>
  readonly locationCache: Pick<LocationCache, 'announced'>
  readonly knownPeers: Pick<KnownPeers, 'get' | 'addVerified'>
  /** A connection of another pod that has sent messages here has ended. */
  readonly ended: (connection: string) => void
  /** Of a link: bytes that a sender may send before it has heard that they were read. */
  readonly windowBytes: number
  readonly metrics: Metrics
  /** Of what all that is remembered takes. */
  readonly memory: Allotment
  /** Most senders of whom something is remembered. */
  readonly maxSenders?: number
}

/** Takes what other sidecars send: each message once, and those of a lane in their order. */
export class MessageReceiver implements Receiver {
  readonly boot = randomBytes(BOOT_BYTES)
  readonly #options: MessageReceiverOptions
  readonly #senders: ExpiringMap<string, SenderSession>
  readonly #recent: number
  readonly #repeated: () => void
  /** Whether a sender was forgotten: of one that is new, nobody knows then whether it was known before. */
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

  from(sender: string, inlet?: Session): Session {
    const known = this.#senders.get(sender) ?? (inlet instanceof SenderSession ? inlet : this.#create())
    // Again, so that it lives on.
    this.#senders.set(sender, known)
    if (performance.now() >= this.#recountAt) this.#recount()
    return known
  }

  #create(): SenderSession {
    const { delivery } = this.#options
    return new SenderSession(delivery, this.#recent, this.#repeated, bytes => this.#grew(bytes), !this.#forgetful)
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
   * Where all senders together take too much, those that were not heard of for longest lose their lanes first; where that is not enough,
   * nothing is remembered of them at all.
   */
  #grew(bytes: number): void {
    const { memory } = this.#options
    memory.change(bytes)
    if (memory.has(0)) return
    this.#recount()
    if (memory.has(0)) return
    const inlets = Array.from(this.#senders.entries(), ([, inlet]) => inlet)
    const hasRoom = () => memory.has(memory.maxBytes * FREED_PART)
    for (const inlet of inlets) {
      if (hasRoom()) return
      memory.change(-inlet.forgetLanes())
    }
    for (const inlet of inlets) {
      if (hasRoom()) return
      memory.change(-inlet.forget())
    }
  }

  /** What senders have forgotten by themselves, and senders that have expired, take nothing any more. */
  #recount(): void {
    let sum = 0
    for (const [, inlet] of this.#senders.entries()) sum += inlet.bytes
    const { memory } = this.#options
    memory.change(sum - memory.bytes)
    this.#recountAt = performance.now() + RECOUNT_MS
  }
}
