import { isUtf8 } from 'node:buffer'
import type { WebSocket } from 'ws'
import { keyProblem, MAX_KEY_BYTES } from '../../routing/routing-key.ts'
import { CLOSE } from '../close-codes.ts'
import type { Message } from '../message.ts'
import type { Outcome } from '../outcome.ts'
import {
  ANSWER_BYTES,
  deliverBytes,
  encodeHello,
  LinkDecoder,
  type LinkFrame,
  writeOutcome,
  writeWindow,
} from './link-frames.ts'
import { closeLink, sendBytes } from './link-socket.ts'
import type { Receive } from './transport.ts'

export interface LinkReceiverLimits {
  readonly maxMessageBytes: number
  /** Bytes that the other end may send before it has heard that they were read. */
  readonly windowBytes: number
}

const EMPTY: Message = { data: Buffer.alloc(0), binary: true }
const LONGEST_HEADER_BYTES = deliverBytes('x'.repeat(MAX_KEY_BYTES), EMPTY)

/**
 * The accepting end of a link. Each message is given away as it is read, so that none waits for another; a message that waits for
 * its recipient is in that recipient's queue, and takes nothing of the link's window. Answers of one round of the event loop go
 * out together.
 */
export class LinkReceiver {
  readonly #socket: WebSocket
  readonly #receive: Receive
  readonly #limits: LinkReceiverLimits
  readonly #decoder: LinkDecoder
  #answers: { id: number; outcome: Outcome }[] = []
  /** Bytes that the other end does not know to be read. */
  #unread = 0
  #flush: NodeJS.Immediate | undefined
  #ended = false

  constructor(socket: WebSocket, receive: Receive, limits: LinkReceiverLimits) {
    this.#socket = socket
    this.#receive = receive
    this.#limits = limits
    this.#decoder = new LinkDecoder(limits.maxMessageBytes)
    socket.on('message', (data: Buffer, binary: boolean) => this.#read(data, binary))
    socket.once('close', () => this.terminate())
    socket.send(encodeHello(limits.windowBytes, limits.maxMessageBytes))
  }

  /** Ends the link: what is known is still told, and nothing is taken any more. */
  close(code: number, reason: string): void {
    if (this.#ended) return
    this.#write()
    this.#ended = true
    closeLink(this.#socket, code, reason)
  }

  /** Ends the link at once: of what was sent on it, nothing more is read. */
  terminate(): void {
    this.#ended = true
    clearImmediate(this.#flush)
    this.#socket.terminate()
  }

  #read(data: Buffer, binary: boolean): void {
    if (this.#ended) return
    const { windowBytes, maxMessageBytes } = this.#limits
    this.#unread += data.length
    if (!binary) this.close(CLOSE.PROTOCOL_ERROR, 'a text message')
    else if (this.#unread > Math.max(windowBytes, maxMessageBytes + LONGEST_HEADER_BYTES))
      this.close(CLOSE.POLICY_VIOLATION, 'more than the window')
    else {
      for (const frame of this.#decoder.push(data)) {
        if (frame.type !== 'deliver') {
          this.close(CLOSE.PROTOCOL_ERROR, `${frame.type} out of place`)
          return
        }
        this.#take(frame)
      }
      if (this.#decoder.problem !== undefined) this.close(CLOSE.PROTOCOL_ERROR, this.#decoder.problem)
      else this.#schedule()
    }
  }

  #take({ id, user, deliver, message }: Extract<LinkFrame, { type: 'deliver' }>): void {
    const answer = (outcome: Outcome) => {
      this.#answers.push({ id, outcome })
      this.#schedule()
    }
    // A text frame with other bytes would make the recipient close its connection (RFC 6455 §8.1).
    if (keyProblem(user) !== undefined || (!message.binary && !isUtf8(message.data))) answer('rejected')
    else this.#receive(user, deliver, message).then(answer, () => answer('rejected'))
  }

  #schedule(): void {
    if (!this.#ended) this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    clearImmediate(this.#flush)
    this.#flush = undefined
    const answers = this.#answers
    // While the other end does not read what it is told, it may not send: else the answers would pile up.
    const read = this.#socket.bufferedAmount > this.#limits.windowBytes ? 0 : this.#unread
    if (answers.length === 0 && read === 0) return
    const bytes = Buffer.allocUnsafe(answers.length * ANSWER_BYTES.outcome + (read > 0 ? ANSWER_BYTES.window : 0))
    let offset = 0
    for (const { id, outcome } of answers) offset = writeOutcome(bytes, offset, id, outcome)
    if (read > 0) writeWindow(bytes, offset, read)
    this.#answers = []
    this.#unread -= read
    sendBytes(this.#socket, bytes, () => {
      if (this.#unread > 0) this.#schedule()
    })
  }
}
