import { ExpiringMap } from '../expiring-map.ts'
import type { Answer } from '../transport/outcome.ts'
import { isBefore } from '../transport/serial-numbers.ts'
import type { IncomingMessage, Session } from '../transport/transport.ts'
import type { Delivery } from './delivery.ts'
import { RecentIds } from './recent-ids.ts'

/** Lanes of one sender that are remembered: where they last began, and, for a time in milliseconds, that they came to a stop. */
const MAX_STARTS = 4096
const MAX_STOPPED = 10_000
const STOPPED_MS = 60_000

/** What one of these takes, about, in bytes. */
const START_BYTES = 64
const STOPPED_BYTES = 128

/** Whether an answer says that the message was not delivered, and may be asked for again elsewhere. */
const isMiss = (answer: Answer): boolean => typeof answer !== 'string' || answer === 'offline'

/** Of a message that is being delivered; the message itself is with whoever delivers it, and may be kept elsewhere. */
type MessagePlace = Pick<IncomingMessage, 'id' | 'lane'>

/** What is remembered of one sending process. */
export class SenderSession implements Session {
  readonly #delivery: Pick<Delivery, 'deliver'>
  readonly #most: number
  readonly #repeated: () => void
  readonly #grew: (bytes: number) => void
  /** Whether this is all that there ever was of this sender: else what comes again may have been delivered. */
  #isWhole: boolean
  /** Of those that can come again. */
  #recent: RecentIds | undefined
  /** The last message with which a lane began; older ones must not come any more. Two generations, so that nothing piles up. */
  #starts = new Map<number, number>()
  #olderStarts = new Map<number, number>()
  /** Lanes of which a message was not delivered, and why: what follows in them is not delivered either. */
  readonly #stopped = new ExpiringMap<number, Answer>({ keepMs: STOPPED_MS, maxEntries: MAX_STOPPED })
  /** Who waits for the answer of a message that came again while it was being delivered. */
  readonly #waiters = new Map<number, ((answer: Answer) => void)[]>()

  /**
   * @param most how many of its messages are remembered
   * @param isWhole whether nothing of this sender was forgotten before
   */
  constructor(
    delivery: Pick<Delivery, 'deliver'>,
    most: number,
    repeated: () => void,
    grew: (bytes: number) => void,
    isWhole = true,
  ) {
    this.#isWhole = isWhole
    this.#delivery = delivery
    this.#most = most
    this.#repeated = repeated
    this.#grew = grew
  }

  /** Memory that it takes, about. */
  get bytes(): number {
    return (this.#recent?.bytes ?? 0) + this.#laneBytes
  }

  get #laneBytes(): number {
    return (this.#starts.size + this.#olderStarts.size) * START_BYTES + this.#stopped.size * STOPPED_BYTES
  }

  /** Returns how many bytes that makes free. */
  forgetLanes(): number {
    const bytes = this.#laneBytes
    this.#starts.clear()
    this.#olderStarts.clear()
    this.#stopped.clear()
    return bytes
  }

  /** Forgets all messages too; returns how many bytes that makes free. */
  forget(): number {
    const { bytes } = this
    this.forgetLanes()
    this.#recent = undefined
    this.#isWhole = false
    return bytes
  }

  receive(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { id } = incoming
    const recent = this.#recent ?? this.#remember()
    let slot: number | undefined
    if (incoming.repeated) {
      const known = recent.find(id)
      if (known === 'forgotten' || (known === 'new' && !this.#isWhole && recent.isEmpty)) return 'timeout'
      if (known === 'not_delivered') slot = recent.reopen(id)
      else if (known !== 'new') {
        this.#repeated()
        return known === 'pending' ? this.#wait(id) : known
      }
    }
    if (slot === undefined) {
      const { bytes } = recent
      slot = recent.add(id)
      if (recent.bytes > bytes) this.#grew(recent.bytes - bytes)
    }
    const answer = this.#inLane(incoming)
    return answer instanceof Promise
      ? this.#later({ id, lane: incoming.lane }, slot, answer)
      : this.#settle(incoming, slot, answer)
  }

  #remember(): RecentIds {
    const recent = new RecentIds(this.#most)
    this.#recent = recent
    this.#grew(recent.bytes)
    return recent
  }

  receiveLoose(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { lane, id } = incoming
    return this.#isOld(lane, id) ? 'rejected' : this.#inLane(incoming)
  }

  /** Whether the sender has given a message up and gone on in its lane. */
  #isOld(lane: number, id: number): boolean {
    const start = this.#starts.get(lane) ?? this.#olderStarts.get(lane)
    return start !== undefined && isBefore(id, start)
  }

  #inLane(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { lane, id, start } = incoming
    if (start) {
      this.#begin(lane, id)
      this.#stopped.delete(lane)
    }
    return this.#stopped.get(lane) ?? this.#delivery.deliver(incoming)
  }

  #begin(lane: number, id: number): void {
    if (this.#starts.size >= MAX_STARTS) {
      this.#olderStarts = this.#starts
      this.#starts = new Map()
    }
    const { size } = this.#starts
    this.#starts.set(lane, id)
    if (this.#starts.size > size) this.#grew(START_BYTES)
  }

  async #later(incoming: MessagePlace, slot: number, answer: Promise<Answer>): Promise<Answer> {
    let result: Answer = 'rejected'
    try {
      result = await answer
    } finally {
      this.#settle(incoming, slot, result)
    }
    return result
  }

  #settle({ id, lane }: MessagePlace, slot: number, answer: Answer): Answer {
    const miss = isMiss(answer)
    this.#recent?.settle(slot, id, typeof answer === 'string' && !miss ? answer : undefined)
    if (miss && !this.#isOld(lane, id)) {
      this.#stopped.set(lane, answer)
      this.#grew(STOPPED_BYTES)
    }
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
