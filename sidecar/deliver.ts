import type { SendResult, Side } from '../lib/wire/bridge.ts'
import type { Message } from '../lib/wire/message.ts'
import { A_MOMENT_AGO, type Answer, type Outcome } from '../lib/wire/outcome.ts'
import { MAX_SERVED } from '../lib/wire/transport/link-frames.ts'
import type { Letter } from '../lib/wire/transport/transport.ts'
import type { Presence, Registry } from './registry.ts'
import type { Whereabouts } from './whereabouts.ts'

export interface DeliveryOptions {
  /** This sidecar's own member name, and the one that owns a user by its list. */
  readonly self: string
  readonly owner: (user: string) => string | undefined
  readonly registry: Registry
  readonly whereabouts: Whereabouts
  /** Sends a copy to another member, which may have further connections of the user. */
  relay(member: string, letter: LocalLetter): void
  /** Bytes that may wait for clients that are arriving; what is more is `slow_consumer`. */
  readonly maxWaitingBytes: number
}

/** What has to be known of a letter to deliver it here. */
export type LocalLetter = Omit<Letter, 'lane' | 'start'>

/** What a message that waits costs beyond its payload, so that empty ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 256

/** Delivers messages to users who are connected to this pod, and says of others what is known of them. */
export class Delivery {
  readonly #options: DeliveryOptions
  /** For clients that are arriving. */
  #waitingBytes = 0

  constructor(options: DeliveryOptions) {
    this.#options = options
  }

  /**
   * Delivers a message on all connections of its recipient.
   *
   * @returns `delivered` as soon as one connection has taken it; one slow device does not hold up the others
   */
  deliver(letter: LocalLetter): Answer | Promise<Answer> {
    const { user, deliver, message, served } = letter
    const { registry, whereabouts, relay } = this.#options
    const all = registry.connections(user)
    if (all.length === 0) return served ? 'offline' : this.#elsewhere(user)
    const settled = all.filter(({ arrival }) => !arrival)
    if (settled.length === 0) return this.#afterArrival(all, letter)
    // A client that is being moved is connected to both pods, with the same key: on one of them it has the message.
    const other = served ? undefined : whereabouts.get(user)
    const here = served ? all.filter(({ key }) => !served.includes(key)) : other === undefined ? all : settled
    if (here.length === 0) return 'delivered'
    if (other !== undefined) {
      const keys = here.slice(0, MAX_SERVED).map(({ key }) => key)
      relay(other, { ...letter, served: keys.filter(key => key !== '') })
    }
    const side = deliver === 'app' ? 'upstream' : 'client'
    return new Promise((resolve, reject) => {
      let open = here.length
      let worst: Outcome | undefined
      for (const presence of here) {
        this.#send(presence, side, message).then(result => {
          if (result === 'sent') resolve('delivered')
          else if (result === 'full') worst = 'slow_consumer'
          if (--open === 0) resolve(worst ?? this.#elsewhere(user))
        }, reject)
      }
    })
  }

  async #send({ bridge, arrival }: Presence, side: Side, message: Message): Promise<SendResult> {
    const waited = arrival && (await this.#wait(arrival, message))
    return waited === 'full' ? 'full' : bridge.send(side, message)
  }

  /**
   * The pod that a client comes from may go on to serve it: until that is known, nobody can tell where a message has to go. Where it
   * takes long, the sender asks that pod too, and this one again.
   */
  #afterArrival(arriving: readonly Presence[], letter: LocalLetter): Answer | Promise<Answer> {
    const soon = arriving.flatMap(presence => presence.soon ?? [])
    if (soon.length === 0) return letter.served ? 'offline' : this.#elsewhere(letter.user)
    return this.#wait(Promise.race(soon), letter.message).then(waited =>
      waited === 'full' ? 'slow_consumer' : this.deliver(letter),
    )
  }

  /** Waits, in bounded memory. */
  async #wait(until: Promise<unknown>, { data }: Message): Promise<'full' | undefined> {
    const bytes = data.length + MESSAGE_OVERHEAD_BYTES
    if (this.#waitingBytes + bytes > this.#options.maxWaitingBytes) return 'full'
    this.#waitingBytes += bytes
    await until
    this.#waitingBytes -= bytes
    return undefined
  }

  /** Where somebody who is not here could be: whoever asks may know less, and has perhaps another list of members. */
  #elsewhere(user: string): Answer {
    const { self, owner, registry, whereabouts } = this.#options
    const known = whereabouts.get(user)
    if (known !== undefined) return { member: known }
    if (registry.leftRecently(user)) return A_MOMENT_AGO
    const member = owner(user)
    return member === undefined || member === self ? 'offline' : { member }
  }
}
