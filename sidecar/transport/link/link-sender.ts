import { WebSocket } from 'ws'
import type { Member } from '../../../lib/routing/members.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { Deadline } from '../deadline.ts'
import { Heartbeat } from '../heartbeat.ts'
import { type Answer, UNINTRODUCED } from '../outcome.ts'
import type { RoutedMessage } from '../transport.ts'
import type { LinkRest } from './in-flight-message.ts'
import { endsWithin } from './link-batch.ts'
import { LinkDecoder } from './link-decoder.ts'
import { END_BYTES, LINK_VERSION, type LinkFrame, writeEnd } from './link-frames.ts'
import { closeLink, type DialFailure, dialLink, readLinkVersion, readRefusal, sendBytes } from './link-socket.ts'
import { OutgoingMessages } from './outgoing-messages.ts'

/**
 * How a link ended: a dial failure; `broken`: it was open; `left`: the other end announced its end; `done`: closed by
 * us.
 */
export type LinkEnd = DialFailure | 'broken' | 'left' | 'done'

export interface LinkSenderOptions {
  readonly member: Member
  /** Headers of the handshake. */
  readonly headers: Readonly<Record<string, string>>
  /** Delay before dialling, in milliseconds. */
  readonly delayMs: number
  /** Time limit from dialling to the other end's hello, in milliseconds. */
  readonly handshakeMs: number
  /** Pause between pings, in milliseconds; a link is broken if nothing arrives after two of them. */
  readonly pingMs: number
  /** How long a link may be idle before it is closed, in milliseconds. */
  readonly idleMs: number
  /** Memory for bytes waiting to be written, shared by all members. */
  readonly memory?: Allotment | undefined
  /** Number of the next message of this process. */
  readonly nextId: () => number
  /** Unanswered messages of the broken link before this one: they are sent first, if the same process answers. */
  readonly resume?: LinkRest
  /** Called once, with the unanswered messages; nothing is sent on this link afterwards. */
  onEnd(end: LinkEnd, rest: LinkRest): void
}

/** Maximum number of ended connections waiting to be reported; the receiver closes unreported ones by itself. */
const MAX_ENDS = 1000

/**
 * The dialling end of a link, from dialling to its end; it is never redialled. Messages of one event-loop turn are sent
 * together.
 */
export class LinkSender {
  readonly #options: LinkSenderOptions
  readonly #messages: OutgoingMessages
  readonly #heartbeat: Heartbeat
  /** Connections whose end is to be reported, after all their messages. */
  readonly #ends: string[] = []
  readonly #decoder = new LinkDecoder(0)
  #socket: WebSocket | undefined
  /** Timer of the delay before dialling, then of the time limit for the hello. */
  #timer: NodeJS.Timeout | undefined
  /** Frame version that the other end reads. */
  #version = 1
  #hello: Extract<LinkFrame, { type: 'hello' }> | undefined
  #flush: NodeJS.Immediate | undefined
  /** Number of sent bytes that the other end has not acknowledged. */
  #unread = 0
  /** Bytes waiting to be written. */
  #buffered = 0
  #ended = false
  /** The other end has announced that it reads no more. */
  #left = false
  /** The end to report if the connection ends now. */
  #failure: LinkEnd = 'unreachable'
  /** Whether any message has had its outcome over this link. */
  proved = false

  constructor(options: LinkSenderOptions) {
    this.#options = options
    this.#messages = new OutgoingMessages(options.nextId, options.resume?.pendings)
    this.#heartbeat = new Heartbeat({
      pingMs: options.pingMs,
      idleMs: options.idleMs,
      busy: () => this.#messages.size > 0,
      ping: () => this.#socket?.ping(),
      onDead: () => this.#end('broken'),
      onIdle: () => this.#end('done', CLOSE.NORMAL, 'idle'),
    })
    this.#timer = setTimeout(() => this.#dial(), options.delayMs)
  }

  /** Whether messages are sent at once, and in order. */
  get open(): boolean {
    return !this.#ended && !this.#left && this.#hello !== undefined && this.#socket?.readyState === WebSocket.OPEN
  }

  /** Never throws. */
  send(content: RoutedMessage | Buffer, deadline: Deadline): Promise<Answer> {
    if (deadline.aborted) return Promise.resolve('timeout')
    if (this.#ended || this.#left) return Promise.resolve('no_owner')
    const answer = this.#messages.add(content, deadline)
    this.#schedule()
    return answer
  }

  /** Tells the other end that a connection has ended; no effect if the link is not open, or is of version 1. */
  end(connection: string): void {
    if (!this.open || this.#version < LINK_VERSION || this.#ends.length >= MAX_ENDS) return
    this.#ends.push(connection)
    this.#schedule()
  }

  /** Ends the link; messages waiting here get `no_owner`. */
  close(): void {
    this.#end('done', CLOSE.GOING_AWAY, '')
  }

  #dial(): void {
    const socket = dialLink(this.#options)
    this.#socket = socket
    if (!socket) {
      this.#end('unreachable')
      return
    }
    this.#timer = setTimeout(() => this.#end(this.#failure), this.#options.handshakeMs)
    // From here on, no hello means no link: a sidecar without link support passes the handshake to its app.
    socket.once('upgrade', response => {
      this.#failure = 'no_link'
      this.#version = readLinkVersion(response)
    })
    socket.once('unexpected-response', (_request, response) => this.#end(readRefusal(response)))
    socket.on('error', () => this.#end(this.#failure))
    // A sidecar sends its hello right after the 101 response, but may end between the two.
    socket.once('close', code => this.#end(this.#hello || code !== CLOSE.ABNORMAL ? this.#failure : 'unreachable'))
    socket.on('message', (data: Buffer, binary: boolean) => this.#receive(data, binary))
    socket.on('pong', () => this.#heartbeat.received())
  }

  #receive(data: Buffer, binary: boolean): void {
    if (this.#ended) return
    this.#heartbeat.received()
    const problem = binary ? this.#read(data) : 'a text message'
    // A server that starts with anything but a hello is no link; it may be an app.
    if (problem !== undefined) this.#end(this.#hello ? 'broken' : 'no_link', CLOSE.PROTOCOL_ERROR, problem)
  }

  #read(data: Buffer): string | undefined {
    for (const frame of this.#decoder.push(data)) {
      const problem = this.#takeFrame(frame)
      if (problem !== undefined) return problem
    }
    return this.#decoder.problem
  }

  /** Returns the protocol violation, if any. */
  #takeFrame(frame: LinkFrame): string | undefined {
    if ((frame.type === 'hello') === (this.#hello !== undefined)) return `${frame.type} out of place`
    switch (frame.type) {
      case 'hello':
        this.#open(frame)
        break
      case 'outcome':
        this.#settle(frame.id, frame.outcome)
        break
      case 'moved':
        this.#settle(frame.id, frame)
        break
      case 'introduce':
        this.#settle(frame.id, UNINTRODUCED)
        break
      case 'bye':
        this.#left = true
        this.#failure = 'left'
        this.#messages.keepRead(frame.count)
        break
      case 'window':
        if (frame.bytes > this.#unread) return 'a window for bytes that were not sent'
        this.#unread -= frame.bytes
        this.#schedule()
        break
      default:
        return `${frame.type} out of place`
    }
    return undefined
  }

  #open(hello: Extract<LinkFrame, { type: 'hello' }>): void {
    this.#hello = hello
    this.#failure = 'broken'
    clearTimeout(this.#timer)
    this.#heartbeat.start()
    const before = this.#options.resume?.boot
    if (before && !before.equals(hello.boot)) this.#messages.forgetOtherProcess()
    this.#schedule()
  }

  #settle(id: number, answer: Answer): void {
    this.proved = true
    this.#messages.settle(id, answer)
  }

  /** Deferred until after the poll phase, so that the input of all connections in this turn leaves in one write. */
  #schedule(): void {
    if (this.open && (this.#messages.hasWaiting || this.#ends.length > 0))
      this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    this.#flush = undefined
    if (!this.open || !this.#hello || !this.#socket) return
    const { memory } = this.#options
    const room = { ...this.#hello, version: this.#version, unread: this.#unread, buffered: this.#buffered, memory }
    const { messages, messageBytes } = this.#messages.take(room)
    const ends = this.#messages.hasWaiting ? [] : this.#ends.splice(0, endsWithin(room, messageBytes))
    const bytes = messageBytes + ends.length * END_BYTES
    if (bytes === 0) return
    const buffer = Buffer.allocUnsafe(bytes)
    let offset = this.#messages.write(buffer, messages)
    for (const connection of ends) offset = writeEnd(buffer, offset, connection)
    this.#unread += bytes
    this.#heartbeat.sent()
    this.#buffer(bytes)
    sendBytes(this.#socket, buffer, () => {
      if (this.#ended) return
      this.#buffer(-bytes)
      this.#schedule()
    })
  }

  #buffer(bytes: number): void {
    this.#buffered += bytes
    this.#options.memory?.change(bytes)
  }

  #end(end: LinkEnd, code?: number, reason = ''): void {
    if (this.#ended) return
    this.#ended = true
    this.#buffer(-this.#buffered)
    clearTimeout(this.#timer)
    this.#heartbeat.stop()
    clearImmediate(this.#flush)
    if (this.#socket) {
      // `terminate` on a dialling socket emits an error, which is ignored by then.
      if (code === undefined) this.#socket.terminate()
      else closeLink(this.#socket, code, reason)
    }
    const boot = this.#hello ? this.#hello.boot : this.#options.resume?.boot
    this.#options.onEnd(end, { boot, pendings: this.#messages.takeAll() })
  }
}
