import { WebSocket } from 'ws'
import type { Member } from '../../../lib/routing/members.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import type { Deadline } from '../deadline.ts'
import { type Answer, UNINTRODUCED } from '../outcome.ts'
import { isBefore } from '../serial-numbers.ts'
import type { RoutedMessage } from '../transport.ts'
import { type InFlightHolder, InFlightMessage, type LinkRest } from './in-flight-message.ts'
import { LinkDecoder } from './link-decoder.ts'
import { END_BYTES, LINK_VERSION, type LinkFrame, writeEnd } from './link-frames.ts'
import { closeLink, type DialFailure, dialLink, readLinkVersion, readRefusal, sendBytes } from './link-socket.ts'

/** How a link ended: it never was one; `broken`, it was one; `left`, the other end has said that it goes; `done`, we have closed it. */
export type LinkEnd = DialFailure | 'broken' | 'left' | 'done'

export interface LinkSenderOptions {
  readonly member: Member
  /** Of the handshake. */
  readonly headers: Readonly<Record<string, string>>
  /** Time before it is dialled, in milliseconds. */
  readonly delayMs: number
  /** Longest time from the dialling to the other end's hello, in milliseconds. */
  readonly handshakeMs: number
  /** Pause between two pings, in milliseconds; a link on which nothing came after two of them is broken. */
  readonly pingMs: number
  /** A link that had nothing to carry for that long is closed, in milliseconds. */
  readonly idleMs: number
  /** Of what waits to be written to all members. */
  readonly memory?: Allotment | undefined
  /** The number of the next message of this process. */
  readonly nextId: () => number
  /** What the link before this one was carrying when it broke: it goes first, if the same process answers. */
  readonly resume?: LinkRest
  /** Called once, with what has no answer; nothing goes over this link any more. */
  onEnd(end: LinkEnd, rest: LinkRest): void
}

/** Most ends of connections that wait to be told; the other end closes what it was not told of by itself. */
const MAX_ENDS = 1000

/**
 * The dialling end of a link, from the first dialling to its end; it is not dialled again. Messages of one round of the event
 * loop go out together. A message that waits here (for the link, or because as many bytes are on it as the other end takes) can
 * still be taken back; one that was sent cannot, so when the link breaks only the same process can say what became of it.
 */
export class LinkSender implements InFlightHolder {
  readonly #options: LinkSenderOptions
  readonly #waiting = new Set<InFlightMessage>()
  readonly #sent = new Map<number, InFlightMessage>()
  /** Connections whose end is to be told, after all that was sent for them. */
  readonly #ends: string[] = []
  readonly #decoder = new LinkDecoder(0)
  #socket: WebSocket | undefined
  /** Before the dialling, and from there to the hello. */
  #timer: NodeJS.Timeout | undefined
  #ticker: NodeJS.Timeout | undefined
  /** Of the frames that the other end reads. */
  #version = 1
  #hello: Extract<LinkFrame, { type: 'hello' }> | undefined
  #flush: NodeJS.Immediate | undefined
  /** What went out on this link, and of it the bytes that the other end has not read. */
  #written = 0
  #unread = 0
  /** Bytes that wait to be written. */
  #buffered = 0
  /** Pings after which nothing came. */
  #unanswered = 0
  #idleMs = 0
  #ended = false
  /** The other end has said that it reads no more. */
  #left = false
  /** What it is when the connection ends now. */
  #failure: LinkEnd = 'unreachable'
  /** Whether a message has ever had its outcome over this link. */
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

  /** Whether messages go out at once, and in their order. */
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

  /** Tells the other end that a connection has ended; without effect where the link is not open, or of version 1. */
  end(connection: string): void {
    if (!this.open || this.#version < LINK_VERSION || this.#ends.length >= MAX_ENDS) return
    this.#ends.push(connection)
    this.#schedule()
  }

  forget(inFlight: InFlightMessage): void {
    this.#waiting.delete(inFlight)
    if (inFlight.id !== undefined) this.#sent.delete(inFlight.id)
  }

  /** Ends the link; what waits here has no owner. */
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
    // From here on, without a hello it is something else: a sidecar that knows no links passes the handshake to its app.
    socket.once('upgrade', response => {
      this.#failure = 'no_link'
      this.#version = readLinkVersion(response)
    })
    socket.once('unexpected-response', (_request, response) => this.#end(readRefusal(response)))
    socket.on('error', () => this.#end(this.#failure))
    // A sidecar sends its hello with the acceptance, but can end between the two.
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
    // Whatever greets in another way than with a hello is no link, but an app perhaps.
    if (problem !== undefined) this.#end(this.#hello ? 'broken' : 'no_link', CLOSE.PROTOCOL_ERROR, problem)
  }

  #read(data: Buffer): string | undefined {
    for (const frame of this.#decoder.push(data)) {
      if ((frame.type === 'hello') === (this.#hello !== undefined)) return `${frame.type} out of place`
      if (frame.type === 'hello') this.#greet(frame)
      else if (frame.type === 'outcome') this.#settle(frame.id, frame.outcome)
      else if (frame.type === 'moved') this.#settle(frame.id, frame)
      else if (frame.type === 'introduce') this.#settle(frame.id, UNINTRODUCED)
      else if (frame.type === 'bye') this.#part(frame.count)
      else if (frame.type === 'window') {
        if (frame.bytes > this.#unread) return 'a window for bytes that were not sent'
        this.#unread -= frame.bytes
        this.#schedule()
      } else return `${frame.type} out of place`
    }
    return this.#decoder.problem
  }

  #greet(hello: Extract<LinkFrame, { type: 'hello' }>): void {
    this.#hello = hello
    this.#failure = 'broken'
    clearTimeout(this.#timer)
    this.#ticker = setInterval(() => this.#tick(), this.#options.pingMs)
    const before = this.#options.resume?.boot
    if (before && !before.equals(hello.boot)) this.#forgetOtherProcess()
    this.#schedule()
  }

  /** This process knows nothing of what another one was sent, nor which lanes had come to a stop there. */
  #forgetOtherProcess(): void {
    for (const inFlight of this.#waiting) {
      if (!inFlight.uncertain && inFlight.startsLane) continue
      this.#waiting.delete(inFlight)
      inFlight.settle(inFlight.uncertain ? 'timeout' : 'no_owner')
    }
  }

  /** An id that is not known is of a message whose time was up. */
  #settle(id: number, answer: Answer): void {
    const inFlight = this.#sent.get(id)
    this.#sent.delete(id)
    this.proved = true
    inFlight?.settle(answer)
  }

  /** The other end reads no more: what it has not read can go elsewhere. */
  #part(count: number): void {
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

  /** After the poll phase: what all connections have brought in this round of the event loop goes out in one write. */
  #schedule(): void {
    if (this.open && this.#waiting.size + this.#ends.length > 0) this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    this.#flush = undefined
    if (!this.open || !this.#hello || !this.#socket) return
    const { windowBytes, maxMessageBytes } = this.#hello
    const batch: InFlightMessage[] = []
    let bytes = 0
    for (const inFlight of this.#waiting) {
      const refusal = inFlight.refusal(this.#version, maxMessageBytes)
      if (refusal) {
        this.#waiting.delete(inFlight)
        inFlight.settle(refusal)
        continue
      }
      const unread = this.#unread + bytes
      // One message that is larger than the window may go alone.
      if (unread > 0 && unread + inFlight.bytes > windowBytes) break
      // What waits goes out as what was written before is with the kernel.
      if (this.#buffered + bytes > 0 && this.#options.memory?.has(bytes + inFlight.bytes) === false) break
      this.#waiting.delete(inFlight)
      batch.push(inFlight)
      bytes += inFlight.bytes
    }
    // They count towards the window too, and for more than that the other end breaks the link.
    const room = Math.max(0, Math.floor((windowBytes - this.#unread - bytes) / END_BYTES))
    const ends = this.#waiting.size > 0 ? [] : this.#ends.splice(0, room)
    bytes += ends.length * END_BYTES
    if (bytes === 0) return
    const buffer = Buffer.allocUnsafe(bytes)
    let offset = 0
    for (const inFlight of batch) {
      const id = inFlight.id ?? this.#options.nextId()
      offset = inFlight.write(buffer, offset, id)
      inFlight.position = ++this.#written
      this.#sent.set(id, inFlight)
    }
    for (const connection of ends) offset = writeEnd(buffer, offset, connection)
    this.#unread += bytes
    this.#idleMs = 0
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
    clearInterval(this.#ticker)
    clearImmediate(this.#flush)
    if (this.#socket) {
      // `terminate` of a socket that is being dialled says so by an error that means nothing any more.
      if (code === undefined) this.#socket.terminate()
      else closeLink(this.#socket, code, reason)
    }
    const boot = this.#hello ? this.#hello.boot : this.#options.resume?.boot
    // Sent ones before waiting ones is the order in which they have to go again.
    const pendings = [...this.#sent.values(), ...this.#waiting]
    this.#sent.clear()
    this.#waiting.clear()
    this.#options.onEnd(end, { boot, pendings })
  }
}
