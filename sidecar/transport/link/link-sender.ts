import { WebSocket } from 'ws'
import type { Member } from '../../../lib/routing/members.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { Deadline } from '../deadline.ts'
import { type Answer, UNINTRODUCED } from '../outcome.ts'
import { isBefore } from '../serial-numbers.ts'
import type { RoutedMessage } from '../transport.ts'
import { type InFlightHolder, InFlightMessage, type LinkRest } from './in-flight-message.ts'
import { endsWithin, nextBatch } from './link-batch.ts'
import { LinkDecoder } from './link-decoder.ts'
import { END_BYTES, LINK_VERSION, type LinkFrame, writeEnd } from './link-frames.ts'
import { closeLink, type DialFailure, dialLink, readLinkVersion, readRefusal, sendBytes } from './link-socket.ts'

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
 * together. A waiting message (for the link to open, or for window) can still be taken back; a sent one cannot, so when
 * the link breaks only the same process can tell its outcome.
 */
export class LinkSender implements InFlightHolder {
  readonly #options: LinkSenderOptions
  readonly #waiting = new Set<InFlightMessage>()
  readonly #sent = new Map<number, InFlightMessage>()
  /** Connections whose end is to be reported, after all their messages. */
  readonly #ends: string[] = []
  readonly #decoder = new LinkDecoder(0)
  #socket: WebSocket | undefined
  /** Timer of the delay before dialling, then of the time limit for the hello. */
  #timer: NodeJS.Timeout | undefined
  #ticker: NodeJS.Timeout | undefined
  /** Frame version that the other end reads. */
  #version = 1
  #hello: Extract<LinkFrame, { type: 'hello' }> | undefined
  #flush: NodeJS.Immediate | undefined
  /** Number of messages sent on this link, and number of sent bytes that the other end has not acknowledged. */
  #written = 0
  #unread = 0
  /** Bytes waiting to be written. */
  #buffered = 0
  /** Number of pings since the last received data. */
  #unanswered = 0
  #idleMs = 0
  #ended = false
  /** The other end has announced that it reads no more. */
  #left = false
  /** The end to report if the connection ends now. */
  #failure: LinkEnd = 'unreachable'
  /** Whether any message has had its outcome over this link. */
  proved = false

  constructor(options: LinkSenderOptions) {
    this.#options = options
    for (const inFlight of options.resume?.pendings ?? []) {
      inFlight.holder = this
      inFlight.uncertain = inFlight.id !== undefined
      this.#waiting.add(inFlight)
    }
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
    return new Promise(resolve => {
      this.#waiting.add(new InFlightMessage(content, this, deadline, resolve))
      this.#schedule()
    })
  }

  /** Tells the other end that a connection has ended; no effect if the link is not open, or is of version 1. */
  end(connection: string): void {
    if (!this.open || this.#version < LINK_VERSION || this.#ends.length >= MAX_ENDS) return
    this.#ends.push(connection)
    this.#schedule()
  }

  forget(inFlight: InFlightMessage): void {
    this.#waiting.delete(inFlight)
    if (inFlight.id !== undefined) this.#sent.delete(inFlight.id)
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
    socket.on('pong', () => {
      this.#unanswered = 0
    })
  }

  #receive(data: Buffer, binary: boolean): void {
    if (this.#ended) return
    this.#unanswered = 0
    const problem = binary ? this.#read(data) : 'a text message'
    // A server that starts with anything but a hello is no link; it may be an app.
    if (problem !== undefined) this.#end(this.#hello ? 'broken' : 'no_link', CLOSE.PROTOCOL_ERROR, problem)
  }

  #read(data: Buffer): string | undefined {
    for (const frame of this.#decoder.push(data)) {
      if ((frame.type === 'hello') === (this.#hello !== undefined)) return `${frame.type} out of place`
      if (frame.type === 'hello') this.#open(frame)
      else if (frame.type === 'outcome') this.#settle(frame.id, frame.outcome)
      else if (frame.type === 'moved') this.#settle(frame.id, frame)
      else if (frame.type === 'introduce') this.#settle(frame.id, UNINTRODUCED)
      else if (frame.type === 'bye') this.#otherEndLeft(frame.count)
      else if (frame.type === 'window') {
        if (frame.bytes > this.#unread) return 'a window for bytes that were not sent'
        this.#unread -= frame.bytes
        this.#schedule()
      } else return `${frame.type} out of place`
    }
    return this.#decoder.problem
  }

  #open(hello: Extract<LinkFrame, { type: 'hello' }>): void {
    this.#hello = hello
    this.#failure = 'broken'
    clearTimeout(this.#timer)
    this.#ticker = setInterval(() => this.#tick(), this.#options.pingMs)
    const before = this.#options.resume?.boot
    if (before && !before.equals(hello.boot)) this.#forgetOtherProcess()
    this.#schedule()
  }

  /** The new process knows neither the messages sent to the previous one nor the lanes stopped there. */
  #forgetOtherProcess(): void {
    for (const inFlight of this.#waiting) {
      if (!inFlight.uncertain && inFlight.startsLane) continue
      this.#waiting.delete(inFlight)
      inFlight.settle(inFlight.uncertain ? 'timeout' : 'no_owner')
    }
  }

  /** An unknown id belongs to a message whose deadline has passed. */
  #settle(id: number, answer: Answer): void {
    const inFlight = this.#sent.get(id)
    this.#sent.delete(id)
    this.proved = true
    inFlight?.settle(answer)
  }

  /** The other end reads no more: unread messages can be sent to another member. */
  #otherEndLeft(count: number): void {
    this.#left = true
    this.#failure = 'left'
    for (const inFlight of [...this.#sent.values(), ...this.#waiting]) {
      if (this.#isSent(inFlight) && !isBefore(count, inFlight.position)) continue
      this.forget(inFlight)
      inFlight.settle(inFlight.uncertain ? 'timeout' : 'no_owner')
    }
  }

  #isSent(inFlight: InFlightMessage): boolean {
    return inFlight.id !== undefined && this.#sent.has(inFlight.id)
  }

  #tick(): void {
    const { idleMs, pingMs } = this.#options
    if (this.#unanswered === 2) {
      this.#end('broken')
      return
    }
    this.#idleMs = this.#sent.size + this.#waiting.size > 0 ? 0 : this.#idleMs + pingMs
    if (this.#idleMs >= idleMs) {
      this.#end('done', CLOSE.NORMAL, 'idle')
      return
    }
    this.#unanswered++
    this.#socket?.ping()
  }

  /** Deferred until after the poll phase, so that the input of all connections in this turn leaves in one write. */
  #schedule(): void {
    if (this.open && this.#waiting.size + this.#ends.length > 0) this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    this.#flush = undefined
    if (!this.open || !this.#hello || !this.#socket) return
    const { memory } = this.#options
    const room = { ...this.#hello, version: this.#version, unread: this.#unread, buffered: this.#buffered, memory }
    const { messages, refused, messageBytes } = nextBatch(this.#waiting, room)
    for (const { message, outcome } of refused) {
      this.#waiting.delete(message)
      message.settle(outcome)
    }
    for (const message of messages) this.#waiting.delete(message)
    const ends = this.#waiting.size > 0 ? [] : this.#ends.splice(0, endsWithin(room, messageBytes))
    const bytes = messageBytes + ends.length * END_BYTES
    if (bytes === 0) return
    const buffer = this.#encode(messages, ends, bytes)
    this.#unread += bytes
    this.#idleMs = 0
    this.#buffer(bytes)
    sendBytes(this.#socket, buffer, () => {
      if (this.#ended) return
      this.#buffer(-bytes)
      this.#schedule()
    })
  }

  #encode(messages: readonly InFlightMessage[], ends: readonly string[], bytes: number): Buffer {
    const buffer = Buffer.allocUnsafe(bytes)
    let offset = 0
    for (const message of messages) {
      const id = message.id ?? this.#options.nextId()
      offset = message.write(buffer, offset, id)
      message.position = ++this.#written
      this.#sent.set(id, message)
    }
    for (const connection of ends) offset = writeEnd(buffer, offset, connection)
    return buffer
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
    clearInterval(this.#ticker)
    clearImmediate(this.#flush)
    if (this.#socket) {
      // `terminate` on a dialling socket emits an error, which is ignored by then.
      if (code === undefined) this.#socket.terminate()
      else closeLink(this.#socket, code, reason)
    }
    const boot = this.#hello ? this.#hello.boot : this.#options.resume?.boot
    // Sent messages come first: this is the order in which they are sent again.
    const pendings = [...this.#sent.values(), ...this.#waiting]
    this.#sent.clear()
    this.#waiting.clear()
    this.#options.onEnd(end, { boot, pendings })
  }
}
