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
  /** Bytes that may wait for clients that are arriving; what is more stays with its sender, who asks again. */
  readonly maxWaitingBytes: number
  /** Longest time for a message to wait here, in milliseconds: less than its sender waits for the answer, or nobody would know what became of it. */
  readonly maxWaitMs: number
  /** Of the memory that these take, and of what is written to many. */
  readonly memory?: Pick<MemoryAccount, 'change'>
  /** Connections into the app on which messages are written as their senders'. */
  readonly senders: Pick<SenderConnections, 'deliver' | 'closeOf'>
  /** Resolves when the app has no connection of a user whose client is served elsewhere; `undefined`: it has none. */
  readonly leaving: (user: string) => Promise<unknown> | undefined
  /** Hands a reply to the client whose connection it is for. */
  readonly reply: (routed: LocalMessage) => Answer | Promise<Answer>
}

const CLOSED: Promise<SendResult> = Promise.resolve('closed')

/** Delivers messages to users who are connected to this pod, and says of others what is known of them. */
export class Delivery {
  readonly #options: DeliveryOptions
  readonly #copies: Copies
  /** For clients that are arriving. */
  readonly #room: ArrivalBuffer

  constructor(options: DeliveryOptions) {
    this.#options = options
    this.#copies = new Copies(options)
    this.#room = new ArrivalBuffer(options.maxWaitingBytes, options.memory)
  }

  /**
   * Delivers a message where it says: to the app on a connection of its sender or of its recipient, or to the recipient's clients.
   *
   * @returns `delivered` as soon as one connection has taken it; one slow device does not hold up the others
   */
  deliver(routed: LocalMessage): Answer | Promise<Answer> {
    if (routed.deliver === 'reply') return this.#options.reply(routed)
    const all = this.#options.registry.connections(routed.user)
    if (routed.deliveredTo) return this.#deliverCopy(routed, routed.deliveredTo, all)
    if (all.length === 0) return this.#elsewhere(routed.user)
    const settled = all.filter(({ pending: arriving }) => !arriving)
    if (settled.length === 0) return this.#afterArrival(all, routed)
    if (routed.deliver === 'app') return this.#toOne(settled, routed)
    if (routed.deliver === 'sender') {
      // The app writes to both sockets of a client that is being moved: where the client is soon, there the message is shown once.
      const arriving = all.filter(({ settled: soon }) => soon)
      return arriving.length > 0
        ? this.#afterArrival(arriving, routed)
        : this.#asSender(routed, this.#copies.of(routed, settled))
    }
    // A client that is being moved is connected to both pods, with the same key: where others are asked, the old one has it.
    const copies = this.#copies.of(routed, settled)
    return this.#toClients(copies ? settled : all, routed, copies)
  }

  /** Delivers a copy on the connections that have not got the message elsewhere. */
  #deliverCopy(
    routed: LocalMessage,
    deliveredTo: readonly string[],
    all: readonly Presence[],
  ): Answer | Promise<Answer> {
    const had = readMark(deliveredTo)
    const left = all.filter(({ key }) => !had.keys.includes(key))
    const settled = left.filter(({ pending: arriving }) => !arriving)
    const passed = this.#copies.forward(routed, had, settled)
    // Where further pods get copies, a client that is arriving may come from one of them, and have it there.
    const here = passed || had.members.length > 2 ? settled : left
    if (here.length === 0) return passed || (all.length > 0 && left.length === 0) ? 'delivered' : 'offline'
    const once = { ...routed, deliveredTo: had.keys }
    if (settled.length === 0) return this.#afterArrival(here, once)
    return routed.deliver === 'sender' ? this.#asSender(once) : this.#toClients(here, routed)
  }

  /** @param taken called when the app has it */
  #asSender(routed: LocalMessage, taken: () => void = () => {}): Answer | Promise<Answer> {
    const { senders, leaving, registry } = this.#options
    // Their app has ended, and they are about to be moved: whoever takes them has an app that can be asked.
    if (registry.connections(routed.user).every(({ bridge }) => bridge.orphaned)) return A_MOMENT_AGO
    const again = (kept: LocalMessage) => this.deliver(kept)
    // The app would write to these too, and their clients get the message where they are.
    const closing = leaving(routed.user) ?? senders.closeOf(routed.user)
    if (closing) return this.#wait(routed, closing, A_MOMENT_AGO, again)
    return senders.deliver(routed, taken, (...wait) => this.#wait(...wait), again)
  }

  /** Into the app, as if the recipient's client that was heard of last had sent it. */
  #toOne(settled: readonly Presence[], routed: LocalMessage): Promise<Answer> {
    const last = settled.reduce((best, other) => (other.bridge.lastSeen >= best.bridge.lastSeen ? other : best))
    return this.#outcome(last.bridge.send('upstream', routed.message), routed.user)
  }

  /** @param taken called when the first connection has it */
  #toClients(here: readonly Presence[], routed: LocalMessage, taken?: () => void): Promise<Answer> {
    const { data, binary } = routed.message
    const frame = here.length > 1 ? encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data) : undefined
    const shared = frame ? { ...routed, message: { data, binary, frame } } : routed
    return this.#outcome(
      fanOut(here, data.length, presence => this.#send(presence, shared), taken),
      routed.user,
    )
  }

  /** Keeps nothing of the message. */
  async #outcome(sending: Promise<SendResult>, user: string): Promise<Answer> {
    const result = await sending
    if (result === 'sent') return 'delivered'
    return result === 'full' ? 'slow_consumer' : this.#elsewhere(user)
  }

  #send(presence: Presence, routed: LocalMessage): Promise<SendResult> {
    const { bridge, pending: arriving, settled: soon } = presence
    if (!arriving) return bridge.send('client', routed.message)
    if (!soon) return CLOSED
    // Where the client has other connections, it alone does not get what takes longer.
    return this.#room.wait(routed, soon, 'full', ({ message }) =>
      presence.pending ? CLOSED : bridge.send('client', message),
    )
  }

  /**
   * The pod that a client comes from may go on to serve it: until that is known, nobody can tell where a message has to go. Where it
   * takes long, the sender asks that pod too, and this one again, for as long as a move may take.
   */
  #afterArrival(arriving: readonly Presence[], routed: LocalMessage): Answer | Promise<Answer> {
    const soon = arriving.flatMap(presence => presence.settled ?? [])
    if (soon.length === 0) return routed.deliveredTo ? 'offline' : A_MOMENT_AGO
    // Of a copy nobody asks again.
    const full = routed.deliveredTo ? 'slow_consumer' : A_MOMENT_AGO
    return this.#wait(routed, Promise.race(soon), full, kept => this.deliver(kept))
  }

  /** Several times, it may be, but not for longer than its sender waits. Of a copy nobody asks again, so it waits as long as it takes. */
  #wait(routed: LocalMessage, until: Promise<unknown>, full: Answer, then: Again): Promise<Answer> {
    if (routed.deliveredTo) return this.#room.wait(routed, until, full, then)
    const now = performance.now()
    const waitsUntil = routed.waitsUntil ?? now + this.#options.maxWaitMs
    return this.#room.wait({ ...routed, waitsUntil }, until, full, then, waitsUntil - now)
  }

  /** Where somebody who is not here could be: whoever asks may know less, and has perhaps another list of members. */
  #elsewhere(user: string): Answer {
    const { self, owner, registry, locationCache } = this.#options
    // Asked only here: nobody who is connected has such a name.
    if (keyProblem(user) !== undefined) return 'rejected'
    const known = locationCache.get(user)
    if (known !== undefined) return { member: known }
    if (registry.leftRecently(user) || locationCache.isClaimed(user)) return A_MOMENT_AGO
    const member = owner(user)
    return member === undefined || member === self ? 'offline' : { member }
  }
}
