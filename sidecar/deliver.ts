import { A_MOMENT_AGO, type Answer, type Outcome } from '../lib/wire/outcome.ts'
import { MAX_SERVED } from '../lib/wire/transport/link-frames.ts'
import type { Letter } from '../lib/wire/transport/transport.ts'
import type { Registry } from './registry.ts'
import type { Whereabouts } from './whereabouts.ts'

export interface DeliveryOptions {
  /** This sidecar's own member name, and the one that owns a user by its list. */
  readonly self: string
  readonly owner: (user: string) => string | undefined
  readonly registry: Registry
  readonly whereabouts: Whereabouts
  /** Sends a copy to another member, which may have further connections of the user. */
  relay(member: string, letter: LocalLetter): void
}

/** What has to be known of a letter to deliver it here. */
export type LocalLetter = Omit<Letter, 'lane' | 'start'>

/** Delivers messages to users who are connected to this pod, and says of others what is known of them. */
export class Delivery {
  readonly #options: DeliveryOptions

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
    // A client that is being moved is connected to both pods, with the same key: on one of them it has the message.
    const bridges = served ? all.filter(bridge => !served.includes(registry.keyOf(user, bridge))) : all
    if (bridges.length === 0) return 'delivered'
    const other = served ? undefined : whereabouts.get(user)
    if (other !== undefined) {
      const keys = all.slice(0, MAX_SERVED).map(bridge => registry.keyOf(user, bridge))
      relay(other, { ...letter, served: keys.filter(key => key !== '') })
    }
    const side = deliver === 'app' ? 'upstream' : 'client'
    return new Promise((resolve, reject) => {
      let open = bridges.length
      let worst: Outcome | undefined
      for (const bridge of bridges) {
        bridge.send(side, message).then(result => {
          if (result === 'sent') resolve('delivered')
          else if (result === 'full') worst = 'slow_consumer'
          if (--open === 0) resolve(worst ?? this.#elsewhere(user))
        }, reject)
      }
    })
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
