import { ExpiringMap } from '../expiring-map.ts'
import type { Answer } from '../transport/outcome.ts'
import { isBefore } from '../transport/serial-numbers.ts'
import type { IncomingMessage, Session } from '../transport/transport.ts'
import type { Delivery } from './delivery.ts'
import { RecentIds } from './recent-ids.ts'

/** Number of lanes remembered per sender: their last starts, and, for a time in milliseconds, the stopped ones. */
const MAX_STARTS = 4096
const MAX_STOPPED = 10_000
const STOPPED_MS = 60_000

/** Approximate memory of one start and one stopped lane, in bytes. */
const START_BYTES = 64
const STOPPED_BYTES = 128

/** Whether the answer says that the message was not delivered and may be tried elsewhere. */
const isMiss = (answer: Answer): boolean => typeof answer !== 'string' || answer === 'offline'

/** Identity of a message in delivery. The message itself is held by the delivery, which may keep it elsewhere. */
type MessagePlace = Pick<IncomingMessage, 'id' | 'lane'>

/** State kept for one sending process. */
export class SenderSession implements Session {
  readonly #delivery: Pick<Delivery, 'deliver'>
  readonly #most: number
  readonly #repeated: () => void
  readonly #grew: (bytes: number) => void
  /** Whether nothing of this sender was forgotten; otherwise a repeated message may have been delivered before. */
  #isWhole: boolean
  /** Recent messages, which may be repeated. */
  #recent: RecentIds | undefined
  /** Id of the message that last started each lane; older ones are rejected. Two generations bound the memory. */
  #starts = new Map<number, number>()
  #olderStarts = new Map<number, number>()
  /** Answers of lanes with an undelivered message: later messages of such a lane are not delivered either. */
  readonly #stopped = new ExpiringMap<number, Answer>({ keepMs: STOPPED_MS, maxEntries: MAX_STOPPED })
  /** Waiters for the answer to a message that was repeated while its delivery was in progress. */
  readonly #waiters = new Map<number, ((answer: Answer) => void)[]>()

  /**
   * @param most number of the sender's messages to remember
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

  /** Approximate memory of this session. */
  get bytes(): number {
    return (this.#recent?.bytes ?? 0) + this.#laneBytes
  }

  get #laneBytes(): number {
    return (this.#starts.size + this.#olderStarts.size) * START_BYTES + this.#stopped.size * STOPPED_BYTES
  }

  /** Returns the number of bytes freed. */
  forgetLanes(): number {
    const bytes = this.#laneBytes
    this.#starts.clear()
    this.#olderStarts.clear()
    this.#stopped.clear()
    return bytes
  }

  /** Forgets all messages too; returns the number of bytes freed. */
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

  /** Whether the sender has given up this message and gone on in its lane. */
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
