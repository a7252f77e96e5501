import type { Deadline, DeadlineTask } from '../deadline.ts'
import type { Answer, Outcome } from '../outcome.ts'
import type { RoutedMessage } from '../transport.ts'
import { deliverBytes, hereBytes, versionOf, writeDeliver, writeHere } from './link-frames.ts'

/** Where a parcel is, and who forgets it when nobody waits for it any more. */
export interface InFlightHolder {
  forget(inFlight: InFlightMessage): void
}

/** A message or an announcement on its way over a link, and over the next one where that breaks. */
export class InFlightMessage implements DeadlineTask {
  /** What is in it: a letter, or the users of an announcement. */
  readonly content: RoutedMessage | Buffer
  /** Of its frame. */
  readonly bytes: number
  /** Once it was sent; it is the same when it is sent again. */
  id: number | undefined
  /** It was sent on a link that broke, and may have arrived. */
  uncertain = false
  /** Its place among all that was sent on the link that it is on. */
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
    // What was never sent has not arrived, and can go elsewhere.
    this.#resolve(this.id === undefined ? 'no_owner' : 'timeout')
  }

  /** Whether it may be delivered whatever became of those before it. */
  get startsLane(): boolean {
    return Buffer.isBuffer(this.content) || this.content.start
  }

  /** Its outcome where the other end does not take it: that reads frames of a version, and payloads of so many bytes. */
  refusal(version: number, maxMessageBytes: number): Outcome | undefined {
    const { content } = this
    if (Buffer.isBuffer(content)) return undefined
    if (versionOf(content) > version) return 'rejected'
    return content.message.data.length > maxMessageBytes ? 'too_large' : undefined
  }

  /** Writes its frame; returns where it ends. */
  write(to: Buffer, offset: number, id: number): number {
    const { content } = this
    this.id = id
    return Buffer.isBuffer(content)
      ? writeHere(to, offset, id, content)
      : writeDeliver(to, offset, id, content, this.uncertain)
  }

  /** It has its answer, or somebody else will have. */
  settle(answer: Answer | Promise<Answer>): void {
    this.deadline.removeEventListener('abort', this)
    this.#resolve(answer)
  }
}

/** What a link that has ended was carrying, in its order, and for which process. */
export interface LinkRest {
  /** What was sent was sent to this process; `undefined`: nothing was. */
  readonly boot: Buffer | undefined
  readonly pendings: readonly InFlightMessage[]
}
