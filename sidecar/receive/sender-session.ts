import type { Answer } from '../transport/outcome.ts'
import type { IncomingMessage, Session } from '../transport/transport.ts'
import { DedupWindow, type DedupWindowOptions } from './dedup-window.ts'
import type { Delivery } from './delivery.ts'
import { IncomingLanes } from './incoming-lanes.ts'

/** Whether the answer says that the message was not delivered and may be tried elsewhere. */
const isMiss = (answer: Answer): boolean => typeof answer !== 'string' || answer === 'offline'

/** Identity of a message in delivery. The message itself is held by the delivery, which may keep it elsewhere. */
type MessagePlace = Pick<IncomingMessage, 'id' | 'lane'>

/** State kept for one sending process: {@link DedupWindow} keeps messages single, {@link IncomingLanes} in order. */
export class SenderSession implements Session {
  readonly #delivery: Pick<Delivery, 'deliver'>
  readonly #window: DedupWindow
  readonly #lanes: IncomingLanes

  constructor(delivery: Pick<Delivery, 'deliver'>, options: DedupWindowOptions) {
    this.#delivery = delivery
    this.#window = new DedupWindow(options)
    this.#lanes = new IncomingLanes(options.onGrown)
  }

  /** Approximate memory of this session. */
  get bytes(): number {
    return this.#window.bytes + this.#lanes.bytes
  }

  /** Returns the number of bytes freed. */
  forgetLanes(): number {
    const { bytes } = this.#lanes
    this.#lanes.forget()
    return bytes
  }

  /** Forgets all messages too; returns the number of bytes freed. */
  forget(): number {
    const { bytes } = this
    this.#lanes.forget()
    this.#window.forget()
    return bytes
  }

  receive(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { id, lane, repeated } = incoming
    const entered = repeated ? this.#window.addRepeated(id) : { slot: this.#window.add(id) }
    if ('answer' in entered) return entered.answer
    const answer = this.#inLane(incoming)
    return answer instanceof Promise
      ? this.#later({ id, lane }, entered.slot, answer)
      : this.#settle(incoming, entered.slot, answer)
  }

  receiveLoose(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { lane, id } = incoming
    return this.#lanes.isOld(lane, id) ? 'rejected' : this.#inLane(incoming)
  }

  #inLane(incoming: IncomingMessage): Answer | Promise<Answer> {
    const { lane, id, start } = incoming
    if (start) this.#lanes.start(lane, id)
    return this.#lanes.stopped(lane) ?? this.#delivery.deliver(incoming)
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
    this.#window.settle(slot, id, answer, typeof answer === 'string' && !miss ? answer : undefined)
    if (miss) this.#lanes.stop(lane, id, answer)
    return answer
  }
}
