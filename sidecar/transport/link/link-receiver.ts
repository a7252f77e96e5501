import { isUtf8 } from 'node:buffer'
import type { WebSocket } from 'ws'
import { keyProblem } from '../../../lib/routing/key/routing-key.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { decodeUsers } from '../announcement.ts'
import type { Answer } from '../outcome.ts'
import type { Receiver, Session } from '../transport.ts'
import type { IncompleteFrames } from './incomplete-frames.ts'
import { LinkDecoder } from './link-decoder.ts'
import {
  ANSWER_BYTES,
  deliverBytes,
  encodeHello,
  type LinkFrame,
  MAX_INTRODUCTION_BYTES,
  MAX_RECIPIENT_BYTES,
  movedBytes,
  writeBye,
  writeIntroduce,
  writeMoved,
  writeOutcome,
  writeWindow,
} from './link-frames.ts'
import { closeLink, sendBytes } from './link-socket.ts'

export interface LinkReceiverLimits {
  readonly maxMessageBytes: number
  /** Number of bytes that the sender may send before they are acknowledged as read. */
  readonly windowBytes: number
}

/** The dialling sidecar: its self-chosen process name, its member name, and whether it has proven the latter. */
export interface LinkPeer {
  readonly sender: string
  readonly member: string
  readonly proven: boolean
}

const EMPTY: Message = { data: Buffer.alloc(0), binary: true }
const LONGEST_HEADER_BYTES = deliverBytes({
  user: 'x'.repeat(MAX_RECIPIENT_BYTES),
  deliveredTo: undefined,
  message: EMPTY,
  origin: { id: '', handshake: Buffer.alloc(MAX_INTRODUCTION_BYTES) },
})

/** How long a closing link waits for deliveries in progress, in milliseconds. */
const LAST_ANSWERS_MS = 1000

/**
 * The accepting end of a link. Each message is passed on as it is read, so that none waits for another; a message that
 * waits for its recipient is in that recipient's queue, outside the link's window. Answers of one event-loop turn are
 * sent together.
 */
export class LinkReceiver {
  readonly #socket: WebSocket
  readonly #inbox: Receiver
  readonly #session: Session
  readonly #member: string
  readonly #limits: LinkReceiverLimits
  readonly #decoder: LinkDecoder
  readonly #incomplete: IncompleteFrames
  /** This link's part of {@link IncompleteFrames}, and the time limit of the current frame. */
  #held = 0
  #frameTimer: NodeJS.Timeout | undefined
  #answers: { id: number; answer: Answer }[] = []
  /** Received bytes that are not yet acknowledged as read. */
  #unread = 0
  /** Number of messages and announcements read, and of those without an answer yet. */
  #taken = 0
  #pending = 0
  /** Bytes of answers waiting to be written. */
  #buffered = 0
  #flush: NodeJS.Immediate | undefined
  /** Reading has ended; known answers may still be sent. */
  #ended = false
  /** Ends a link that waits for its last answers. */
  #finish: (() => void) | undefined
  #finishTimer: NodeJS.Timeout | undefined

  /** @param incomplete shared by all links of this process */
  constructor(
    socket: WebSocket,
    inbox: Receiver,
    { sender, member, proven }: LinkPeer,
    limits: LinkReceiverLimits,
    incomplete: IncompleteFrames,
  ) {
    this.#socket = socket
    this.#inbox = inbox
    this.#session = inbox.from(sender)
    this.#member = member
    this.#limits = limits
    this.#decoder = new LinkDecoder(limits.maxMessageBytes)
    this.#incomplete = incomplete
    socket.on('message', (data: Buffer, binary: boolean) => this.#read(data, binary))
    // A pinging sender is alive, so its session must not be forgotten.
    const keepAlive = () => {
      inbox.from(sender, this.#session)
      if (proven) inbox.addVerified(member)
    }
    keepAlive()
    socket.on('ping', keepAlive)
    socket.once('close', () => this.terminate())
    socket.send(encodeHello(limits.windowBytes, limits.maxMessageBytes, inbox.boot))
  }

  /**
   * Ends the link gracefully: reading stops, the sender learns which messages were read, and deliveries in progress get
   * a moment to be answered.
   */
  leave(code: number, reason: string): void {
    if (this.#ended) return
    this.#stop()
    const bye = Buffer.allocUnsafe(ANSWER_BYTES.bye)
    writeBye(bye, 0, this.#taken)
    this.#write()
    sendBytes(this.#socket, bye)
    this.#finishTimer = setTimeout(() => this.#finish?.(), LAST_ANSWERS_MS)
    this.#finish = () => {
      clearTimeout(this.#finishTimer)
      this.#finish = undefined
      this.#write()
      closeLink(this.#socket, code, reason)
    }
    if (this.#pending === 0) this.#finish()
  }

  /** Ends the link at once: unread data is discarded. */
  terminate(): void {
    this.#stop()
    this.#finish = undefined
    clearTimeout(this.#finishTimer)
    clearImmediate(this.#flush)
    this.#buffer(-this.#buffered)
    this.#socket.terminate()
  }

  #fail(code: number, problem: string): void {
    if (this.#ended) return
    this.#write()
    this.#stop()
    closeLink(this.#socket, code, problem)
  }

  /** Stops reading and releases incomplete data. */
  #stop(): void {
    this.#ended = true
    this.#decoder.stop()
    clearTimeout(this.#frameTimer)
    this.#incomplete.change(-this.#held)
    this.#held = 0
  }

  #read(data: Buffer, binary: boolean): void {
    if (this.#ended) return
    const { windowBytes, maxMessageBytes } = this.#limits
    this.#unread += data.length
    if (!binary) this.#fail(CLOSE.PROTOCOL_ERROR, 'a text message')
    else if (this.#unread > Math.max(windowBytes, maxMessageBytes + LONGEST_HEADER_BYTES))
      this.#fail(CLOSE.POLICY_VIOLATION, 'more than the window')
    else this.#readFrames(data)
  }

  #readFrames(data: Buffer): void {
    const frames = this.#decoder.push(data)
    for (const frame of frames) {
      if (this.#takeFrame(frame)) continue
      this.#fail(CLOSE.PROTOCOL_ERROR, `${frame.type} out of place`)
      return
    }
    if (this.#decoder.problem !== undefined) this.#fail(CLOSE.PROTOCOL_ERROR, this.#decoder.problem)
    else if (!this.#hold(frames.length > 0)) this.#fail(CLOSE.TRY_AGAIN_LATER, 'too much that is not complete')
    else this.#schedule()
  }

  /** Returns whether the dialling end may send such a frame. */
  #takeFrame(frame: LinkFrame): boolean {
    switch (frame.type) {
      case 'deliver':
        this.#takeMessage(frame)
        return true
      case 'here':
        this.#takeAnnouncement(frame)
        return true
      case 'end':
        this.#inbox.ended(frame.connection)
        return true
      default:
        return false
    }
  }

  /**
   * Accounts for the held part of an incomplete frame.
   *
   * @param another whether the frame is another one than before
   * @returns whether there is room for it
   */
  #hold(another: boolean): boolean {
    const { heldBytes } = this.#decoder
    const more = heldBytes - this.#held
    this.#held = heldBytes
    if (another || heldBytes === 0) {
      clearTimeout(this.#frameTimer)
      this.#frameTimer = undefined
    }
    if (heldBytes > 0) {
      const late = () => this.#fail(CLOSE.POLICY_VIOLATION, 'a frame that takes too long')
      this.#frameTimer ??= setTimeout(late, this.#incomplete.frameMs)
    }
    return this.#incomplete.change(more)
  }

  #takeMessage(frame: Extract<LinkFrame, { type: 'deliver' }>): void {
    this.#taken++
    const { id, message } = frame
    // A text frame with invalid UTF-8 would make the recipient close its connection (RFC 6455 §8.1).
    if (keyProblem(frame.user) !== undefined || (!message.binary && !isUtf8(message.data))) {
      this.#answers.push({ id, answer: 'rejected' })
      return
    }
    frame.via = this.#member
    const answer = this.#session.receive(frame)
    if (!(answer instanceof Promise)) {
      this.#answers.push({ id, answer })
      return
    }
    this.#pending++
    const settle = (result: Answer) => {
      this.#pending--
      this.#answers.push({ id, answer: result })
      if (this.#pending === 0 && this.#finish) this.#finish()
      else this.#schedule()
    }
    answer.then(settle, () => settle('rejected'))
  }

  #takeAnnouncement({ id, users }: Extract<LinkFrame, { type: 'here' }>): void {
    this.#taken++
    const names = decodeUsers(users)
    if (names) this.#inbox.announced(this.#member, names)
    this.#answers.push({ id, answer: names ? 'delivered' : 'rejected' })
  }

  #schedule(): void {
    if (!this.#ended) this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    clearImmediate(this.#flush)
    this.#flush = undefined
    const answers = this.#answers
    // No window is granted while the other end does not read its answers: they would pile up.
    const read = this.#socket.bufferedAmount > this.#limits.windowBytes ? 0 : this.#unread
    if (answers.length === 0 && read === 0) return
    let size = read > 0 ? ANSWER_BYTES.window : 0
    for (const { answer } of answers) size += answerBytes(answer)
    const bytes = Buffer.allocUnsafe(size)
    let offset = 0
    for (const { id, answer } of answers) offset = writeAnswer(bytes, offset, id, answer)
    if (read > 0) writeWindow(bytes, offset, read)
    this.#answers = []
    this.#unread -= read
    this.#buffer(size)
    sendBytes(this.#socket, bytes, () => {
      this.#buffer(-Math.min(size, this.#buffered))
      if (this.#unread > 0) this.#schedule()
    })
  }

  #buffer(bytes: number): void {
    this.#buffered += bytes
    this.#incomplete.answers(bytes)
  }
}

function answerBytes(answer: Answer): number {
  if (typeof answer === 'string') return ANSWER_BYTES.outcome
  return answer.introduce ? ANSWER_BYTES.introduce : movedBytes(answer.member)
}

function writeAnswer(to: Buffer, offset: number, id: number, answer: Answer): number {
  if (typeof answer === 'string') return writeOutcome(to, offset, id, answer)
  return answer.introduce ? writeIntroduce(to, offset, id) : writeMoved(to, offset, id, answer.member)
}
