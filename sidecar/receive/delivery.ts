import type { SendResult } from '../../lib/bridge/bridge.ts'
import { keyProblem } from '../../lib/routing/key/routing-key.ts'
import type { MemoryAccount } from '../../lib/service/memory/budget.ts'
import { encodeFrame, OPCODE } from '../../lib/websocket/frames.ts'
import type { Presence, Registry } from '../connections/registry.ts'
import type { LocationCache } from '../send/location-cache.ts'
import { A_MOMENT_AGO, type Answer } from '../transport/outcome.ts'
import { ArrivalBuffer } from './arrival-buffer.ts'
import { Copies, type CopiesOptions, readMark } from './copies.ts'
import { fanOut } from './fan-out.ts'
import type { LocalMessage } from './local-message.ts'
import type { Again, SenderConnections } from './shadows/sender-connections.ts'

export interface DeliveryOptions extends CopiesOptions {
  readonly registry: Registry
  readonly locationCache: LocationCache
  /**
   * Maximum number of bytes waiting for arriving clients; further messages stay with their sender, which asks again.
   */
  readonly maxWaitingBytes: number
  /** Longest wait of a message here, in milliseconds: shorter than its sender's, or its outcome would be unknown. */
  readonly maxWaitMs: number
  /** Memory account of waiting messages and of messages written to several connections. */
  readonly memory?: Pick<MemoryAccount, 'change'>
  /** Connections into the app on which messages are written as their senders'. */
  readonly senders: Pick<SenderConnections, 'deliver' | 'closeOf'>
  /**
   * Resolves when the app has no connection left of a user whose client is served elsewhere; `undefined`: it has none.
   */
  readonly leaving: (user: string) => Promise<unknown> | undefined
  /** Delivers a reply to the client whose connection it is for. */
  readonly reply: (routed: LocalMessage) => Answer | Promise<Answer>
}

const CLOSED: Promise<SendResult> = Promise.resolve('closed')

/** Delivers messages to users connected to this pod; for other users, answers with what is known of their location. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #copies: Copies
  /** Messages for arriving clients. */
  readonly #arrivals: ArrivalBuffer

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#copies = new Copies(options)
    this.#arrivals = new ArrivalBuffer(options.maxWaitingBytes, options.memory)
  }

  /**
   * Delivers a message to the place that it names: to the app on a connection of its sender or recipient, or to the
   * recipient's clients.
   *
   * @returns `delivered` as soon as one connection has taken it; a slow device does not delay the others
   */
  deliver(routed: LocalMessage): Answer | Promise<Answer> {
    if (routed.deliver === 'reply') return this.#options.reply(routed)
    const all = this.#options.registry.connections(routed.user)
    if (routed.deliveredTo) return this.#deliverCopy(routed, routed.deliveredTo, all)
    if (all.length === 0) return this.#elsewhere(routed.user)
    const settled = all.filter(({ pending }) => !pending)
    if (settled.length === 0) return this.#afterArrival(all, routed)
    if (routed.deliver === 'app') return this.#toOne(settled, routed)
    if (routed.deliver === 'sender') {
      // The app writes to both sockets of a client that is being moved; delivered after the arrival, the message is
      // shown once.
      const pending = all.filter(({ settled: decided }) => decided)
      return pending.length > 0
        ? this.#afterArrival(pending, routed)
        : this.#asSender(routed, this.#copies.of(routed, settled))
    }
    // A client being moved is connected to both pods under the same key: if other pods get copies, the old one serves
    // it.
    const copies = this.#copies.of(routed, settled)
    return this.#toClients(copies ? settled : all, routed, copies)
  }

  /** Delivers a copy on the connections that have not received the message elsewhere. */
  #deliverCopy(
    routed: LocalMessage,
    deliveredTo: readonly string[],
    all: readonly Presence[],
  ): Answer | Promise<Answer> {
    const mark = readMark(deliveredTo)
    const left = all.filter(({ key }) => !mark.keys.includes(key))
    const settled = left.filter(({ pending }) => !pending)
    const forwarded = this.#copies.forward(routed, mark, settled)
    // If further pods get copies, an arriving client may come from one of them and have the message from there.
    const here = forwarded || mark.members.length > 2 ? settled : left
    if (here.length === 0) return forwarded || (all.length > 0 && left.length === 0) ? 'delivered' : 'offline'
    const once = { ...routed, deliveredTo: mark.keys }
    if (settled.length === 0) return this.#afterArrival(here, once)
    return routed.deliver === 'sender' ? this.#asSender(once) : this.#toClients(here, routed)
  }

  /** @param taken called when the app has taken the message */
  #asSender(routed: LocalMessage, taken: () => void = () => {}): Answer | Promise<Answer> {
    const { senders, leaving, registry } = this.#options
    // Their app has ended and they are about to be moved: the app at the next member can be asked.
    if (registry.connections(routed.user).every(({ bridge }) => bridge.orphaned)) return A_MOMENT_AGO
    const again = (kept: LocalMessage) => this.deliver(kept)
    // The app would write to these connections too, but their clients get the message on the new pod.
    const closing = leaving(routed.user) ?? senders.closeOf(routed.user)
    if (closing) return this.#wait(routed, closing, A_MOMENT_AGO, again)
    return senders.deliver(routed, taken, (...wait) => this.#wait(...wait), again)
  }

  /** Writes into the app as if the recipient's most recently active client had sent it. */
  #toOne(settled: readonly Presence[], routed: LocalMessage): Promise<Answer> {
    const last = settled.reduce((best, other) => (other.bridge.lastSeen >= best.bridge.lastSeen ? other : best))
    return this.#outcome(last.bridge.send('upstream', routed.message), routed.user)
  }

  /** @param taken called when the first connection has taken the message */
  #toClients(here: readonly Presence[], routed: LocalMessage, taken?: () => void): Promise<Answer> {
    const { data, binary } = routed.message
    const frame = here.length > 1 ? encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data) : undefined
    const shared = frame ? { ...routed, message: { data, binary, frame } } : routed
    return this.#outcome(
      fanOut(here, data.length, presence => this.#send(presence, shared), taken),
      routed.user,
    )
  }

  /** Takes the user only, so that the message is not kept in memory until the write has ended. */
  async #outcome(sending: Promise<SendResult>, user: string): Promise<Answer> {
    const result = await sending
    if (result === 'sent') return 'delivered'
    return result === 'full' ? 'slow_consumer' : this.#elsewhere(user)
  }

  #send(presence: Presence, routed: LocalMessage): Promise<SendResult> {
    const { bridge, pending, settled: decided } = presence
    if (!pending) return bridge.send('client', routed.message)
    if (!decided) return CLOSED
    // A user's other connections do not wait for the arriving client; it alone misses a message that waits too long.
    return this.#arrivals.wait(routed, decided, 'full', ({ message }) =>
      presence.pending ? CLOSED : bridge.send('client', message),
    )
  }

  /**
   * A client's previous pod may go on serving it, so the right pod is unknown until the arrival is decided. If that
   * takes long, the sender asks that pod too, and this one again, for as long as a move may take.
   */
  #afterArrival(pending: readonly Presence[], routed: LocalMessage): Answer | Promise<Answer> {
    const decisions = pending.flatMap(presence => presence.settled ?? [])
    if (decisions.length === 0) return routed.deliveredTo ? 'offline' : A_MOMENT_AGO
    // The sender of a copy does not ask again.
    const full = routed.deliveredTo ? 'slow_consumer' : A_MOMENT_AGO
    return this.#wait(routed, Promise.race(decisions), full, kept => this.deliver(kept))
  }

  /**
   * Waits, perhaps repeatedly, but no longer than the sender. A copy waits without limit: its sender does not ask
   * again.
   */
  #wait(routed: LocalMessage, until: Promise<unknown>, full: Answer, then: Again): Promise<Answer> {
    if (routed.deliveredTo) return this.#arrivals.wait(routed, until, full, then)
    const now = performance.now()
    const waitsUntil = routed.waitsUntil ?? now + this.#options.maxWaitMs
    return this.#arrivals.wait({ ...routed, waitsUntil }, until, full, then, waitsUntil - now)
  }

  /** Possible location of a user who is not here: the sender may know less, and may have another member list. */
  #elsewhere(user: string): Answer {
    const { self, owner, registry, locationCache } = this.#options
    // Checked only here: a connected user cannot have an invalid name.
    if (keyProblem(user) !== undefined) return 'rejected'
    const known = locationCache.get(user)
    if (known !== undefined) return { member: known }
    if (registry.leftRecently(user) || locationCache.isClaimed(user)) return A_MOMENT_AGO
    const member = owner(user)
    return member === undefined || member === self ? 'offline' : { member }
  }
}
