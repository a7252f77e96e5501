import type { Deadline, DeadlineTask } from '../deadline.ts'
import type { Answer, Outcome } from '../outcome.ts'
import type { RoutedMessage } from '../transport.ts'
import { deliverBytes, hereBytes, versionOf, writeDeliver, writeHere } from './link-frames.ts'

/** Holder of an in-flight message, which drops it when its deadline has passed. */
export interface InFlightHolder {
  forget(inFlight: InFlightMessage): void
}

/** A message or an announcement in flight on a link, and on the next link if that one breaks. */
export class InFlightMessage implements DeadlineTask {
  /** A message, or the users of an announcement. */
  readonly content: RoutedMessage | Buffer
  /** Size of its frame. */
  readonly bytes: number
  /** Set when it is first sent; a repetition has the same id. */
  id: number | undefined
  /** It was sent on a link that broke, and may have arrived. */
  uncertain = false
  /** Its position among all messages sent on its current link. */
  position = 0
  holder: InFlightHolder
  readonly deadline: Deadline
  readonly #resolve: (answer: Answer | Promise<Answer>) => void

  constructor(
    content: RoutedMessage | Buffer,
    holder: InFlightHolder,
    deadline: Deadline,
    resolve: (answer: Answer | Promise<Answer>) => void,
  ) {
    this.content = content
    this.bytes = Buffer.isBuffer(content) ? hereBytes(content) : deliverBytes(content)
    this.holder = holder
    this.deadline = deadline
    this.#resolve = resolve
    deadline.addEventListener('abort', this)
  }

  handleEvent(): void {
    this.holder.forget(this)
    // An unsent message cannot have arrived, and may be sent to another member.
    this.#resolve(this.id === undefined ? 'no_owner' : 'timeout')
  }

  /** Whether it may be delivered regardless of earlier messages. */
  get startsLane(): boolean {
    return Buffer.isBuffer(this.content) || this.content.start
  }

  /** Outcome if the other end cannot accept it: it reads this frame version, and payloads up to this size. */
  refusal(version: number, maxMessageBytes: number): Outcome | undefined {
    const { content } = this
    if (Buffer.isBuffer(content)) return undefined
    if (versionOf(content) > version) return 'rejected'
    return content.message.data.length > maxMessageBytes ? 'too_large' : undefined
  }

  /** Writes its frame; returns its end offset. */
  write(to: Buffer, offset: number, id: number): number {
    const { content } = this
    this.id = id
    return Buffer.isBuffer(content)
      ? writeHere(to, offset, id, content)
      : writeDeliver(to, offset, id, content, this.uncertain)
  }

  /** Completes it with its answer, or with the promise of one. */
  settle(answer: Answer | Promise<Answer>): void {
    this.deadline.removeEventListener('abort', this)
    this.#resolve(answer)
  }
}

/** The messages of an ended link, in order, and the process that they were for. */
export interface LinkRest {
  /** The process that sent messages were sent to; `undefined`: none were sent. */
  readonly boot: Buffer | undefined
  readonly pendings: readonly InFlightMessage[]
}
