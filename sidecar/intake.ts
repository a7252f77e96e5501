import { randomBytes } from 'node:crypto'
import type { Metrics } from '../lib/service/metrics.ts'
import type { Answer } from '../lib/wire/outcome.ts'
import { BOOT_BYTES } from '../lib/wire/transport/link-frames.ts'
import { isBefore } from '../lib/wire/transport/serial-numbers.ts'
import type { Arrival, Inbox, Inlet, Letter } from '../lib/wire/transport/transport.ts'
import type { Delivery } from './deliver.ts'
import { ExpiringMap } from './expiring-map.ts'
import { RecentIds } from './recent-ids.ts'
import type { Whereabouts } from './whereabouts.ts'

/** Sending processes that are remembered, and for how long after they were last heard of, in milliseconds. */
const MAX_SENDERS = 4000
const SENDER_MS = 120_000

/** Lanes of one sender that are remembered: where they last began, and, for a time in milliseconds, that they came to a stop. */
const MAX_STARTS = 4096
const MAX_STOPPED = 10_000
const STOPPED_MS = 60_000

export interface IntakeOptions {
  readonly delivery: Pick<Delivery, 'deliver'>
  readonly whereabouts: Pick<Whereabouts, 'announced'>
  readonly metrics: Metrics
}

/** Takes what other sidecars send: each message once, and those of a lane in their order. */
export class Intake implements Inbox {
  readonly boot = randomBytes(BOOT_BYTES)
  readonly #options: IntakeOptions
  readonly #senders = new ExpiringMap<string, SenderInlet>({ keepMs: SENDER_MS, maxEntries: MAX_SENDERS })
  readonly #repeated: () => void

  constructor(options: IntakeOptions) {
    this.#options = options
    const duplicates = options.metrics.counter(
      'duplicates_total',
      'Messages of other sidecars that had come before, and were not delivered again.',
    )
    this.#repeated = () => duplicates.inc()
  }

  from(sender: string): Inlet {
    const inlet = this.#senders.get(sender) ?? new SenderInlet(this.#options.delivery, this.#repeated)
    // Again, so that it lives on.
    this.#senders.set(sender, inlet)
    return inlet
  }

  receive(letter: Omit<Letter, 'lane' | 'start'>): Answer | Promise<Answer> {
    return this.#options.delivery.deliver(letter)
  }

  announced(member: string, users: readonly string[]): void {
    this.#options.whereabouts.announced(member, users)
  }
}

/** Whether an answer says that the message was not delivered, and may be asked for again elsewhere. */
const isMiss = (answer: Answer): boolean => typeof answer !== 'string' || answer === 'offline'

/** Of a message that is being delivered; the message itself is with whoever delivers it, and may be kept elsewhere. */
type MessagePlace = Pick<Arrival, 'id' | 'lane'>

/** What is remembered of one sending process. */
class SenderInlet implements Inlet {
  readonly #delivery: Pick<Delivery, 'deliver'>
  readonly #repeated: () => void
  /** Of those that can come again. */
  #recent: RecentIds | undefined
  /** The last message with which a lane began; older ones must not come any more. Two generations, so that nothing piles up. */
  #starts = new Map<number, number>()
  #olderStarts = new Map<number, number>()
  /** Lanes of which a message was not delivered, and why: what follows in them is not delivered either. */
  readonly #stopped = new ExpiringMap<number, Answer>({ keepMs: STOPPED_MS, maxEntries: MAX_STOPPED })
  /** Who waits for the answer of a message that came again while it was being delivered. */
  readonly #waiters = new Map<number, ((answer: Answer) => void)[]>()

  constructor(delivery: Pick<Delivery, 'deliver'>, repeated: () => void) {
    this.#delivery = delivery
    this.#repeated = repeated
  }

  receive(arrival: Arrival): Answer | Promise<Answer> {
    const { id } = arrival
    this.#recent ??= new RecentIds()
    const recent = this.#recent
    let slot: number | undefined
    if (arrival.repeated) {
      const known = recent.find(id)
      if (known === 'forgotten') return 'timeout'
      if (known === 'not_delivered') slot = recent.slot(id)
      else if (known !== 'new') {
        this.#repeated()
        return known === 'pending' ? this.#wait(id) : known
      }
    }
    slot ??= recent.add(id)
    const answer = this.#inLane(arrival)
    return answer instanceof Promise
      ? this.#later({ id, lane: arrival.lane }, slot, answer)
      : this.#settle(arrival, slot, answer)
  }

  receiveLoose(arrival: Arrival): Answer | Promise<Answer> {
    const { lane, id } = arrival
    return this.#isOld(lane, id) ? 'rejected' : this.#inLane(arrival)
  }

  /** Whether the sender has given a message up and gone on in its lane. */
  #isOld(lane: number, id: number): boolean {
    const start = this.#starts.get(lane) ?? this.#olderStarts.get(lane)
    return start !== undefined && isBefore(id, start)
  }

  #inLane(arrival: Arrival): Answer | Promise<Answer> {
    const { lane, id, start } = arrival
    if (start) {
      this.#begin(lane, id)
      this.#stopped.delete(lane)
    }
    return this.#stopped.get(lane) ?? this.#delivery.deliver(arrival)
  }

  #begin(lane: number, id: number): void {
    if (this.#starts.size >= MAX_STARTS) {
      this.#olderStarts = this.#starts
      this.#starts = new Map()
    }
    this.#starts.set(lane, id)
  }

  async #later(arrival: MessagePlace, slot: number, answer: Promise<Answer>): Promise<Answer> {
    let result: Answer = 'rejected'
    try {
      result = await answer
    } finally {
      this.#settle(arrival, slot, result)
    }
    return result
  }

  #settle({ id, lane }: MessagePlace, slot: number, answer: Answer): Answer {
    const miss = isMiss(answer)
    this.#recent?.settle(slot, id, typeof answer === 'string' && !miss ? answer : undefined)
    if (miss && !this.#isOld(lane, id)) this.#stopped.set(lane, answer)
    if (this.#waiters.size > 0) {
      for (const resolve of this.#waiters.get(id) ?? []) resolve(answer)
      this.#waiters.delete(id)
    }
    return answer
  }

  #wait(id: number): Promise<Answer> {
    return new Promise(resolve => {
      const waiters = this.#waiters.get(id)
      if (waiters) waiters.push(resolve)
      else this.#waiters.set(id, [resolve])
    })
  }
}
