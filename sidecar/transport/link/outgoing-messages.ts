import type { Deadline } from '../deadline.ts'
import type { Answer } from '../outcome.ts'
import { isBefore } from '../serial-numbers.ts'
import type { RoutedMessage } from '../transport.ts'
import { type InFlightHolder, InFlightMessage } from './in-flight-message.ts'
import { type Batch, nextBatch, type WriteRoom } from './link-batch.ts'

/**
 * The unanswered messages of one link, in order: first those sent, then those waiting. A waiting message can still be
 * taken back; a sent one cannot, so when the link breaks only the same process can tell its outcome.
 */
export class OutgoingMessages implements InFlightHolder {
  readonly #nextId: () => number
  readonly #waiting = new Set<InFlightMessage>()
  readonly #sent = new Map<number, InFlightMessage>()
  /** Number of messages sent on this link. */
  #written = 0

  /**
   * @param nextId number of the next message of this process
   * @param resumed unanswered messages of the previous link: they are sent first
   */
  constructor(nextId: () => number, resumed: readonly InFlightMessage[] = []) {
    this.#nextId = nextId
    for (const message of resumed) {
      message.holder = this
      message.uncertain = message.id !== undefined
      this.#waiting.add(message)
    }
  }

  /** Number of unanswered messages. */
  get size(): number {
    return this.#sent.size + this.#waiting.size
  }

  get hasWaiting(): boolean {
    return this.#waiting.size > 0
  }

  add(content: RoutedMessage | Buffer, deadline: Deadline): Promise<Answer> {
    return new Promise(resolve => {
      this.#waiting.add(new InFlightMessage(content, this, deadline, resolve))
    })
  }

  forget(message: InFlightMessage): void {
    this.#waiting.delete(message)
    if (message.id !== undefined) this.#sent.delete(message.id)
  }

  /** Completes a sent message. An unknown id belongs to a message whose deadline has passed. */
  settle(id: number, answer: Answer): void {
    const message = this.#sent.get(id)
    this.#sent.delete(id)
    message?.settle(answer)
  }

  /** Takes the messages of the next write, and completes those that the other end cannot accept. */
  take(room: WriteRoom): Omit<Batch, 'refused'> {
    const { messages, refused, messageBytes } = nextBatch(this.#waiting, room)
    for (const { message, outcome } of refused) {
      this.#waiting.delete(message)
      message.settle(outcome)
    }
    for (const message of messages) this.#waiting.delete(message)
    return { messages, messageBytes }
  }

  /** Writes taken messages, which are sent from now on; returns the end offset. */
  write(to: Buffer, messages: readonly InFlightMessage[]): number {
    let offset = 0
    for (const message of messages) {
      const id = message.id ?? this.#nextId()
      offset = message.write(to, offset, id)
      message.position = ++this.#written
      this.#sent.set(id, message)
    }
    return offset
  }

  /** The other end is a new process, which knows neither the resumed messages nor the lanes stopped in the old one. */
  forgetOtherProcess(): void {
    for (const message of this.#waiting) if (message.uncertain || !message.startsLane) this.#giveUp(message)
  }

  /** The other end has read this number of messages and reads no more: the others can be sent to another member. */
  keepRead(count: number): void {
    for (const message of [...this.#sent.values(), ...this.#waiting]) {
      const isRead = this.#isSent(message) && !isBefore(count, message.position)
      if (!isRead) this.#giveUp(message)
    }
  }

  /** Takes all messages, in the order in which they are sent again. */
  takeAll(): InFlightMessage[] {
    const all = [...this.#sent.values(), ...this.#waiting]
    this.#sent.clear()
    this.#waiting.clear()
    return all
  }

  #isSent({ id }: InFlightMessage): boolean {
    return id !== undefined && this.#sent.has(id)
  }

  #giveUp(message: InFlightMessage): void {
    this.forget(message)
    message.settle(message.uncertain ? 'timeout' : 'no_owner')
  }
}
