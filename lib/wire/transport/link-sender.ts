import { connect } from 'node:net'
import { WebSocket } from 'ws'
import type { Member } from '../../routing/members.ts'
import { LINK_PROTOCOL, MESSAGE_PATH } from '../../service/names.ts'
import { CLOSE } from '../close-codes.ts'
import type { Message } from '../message.ts'
import type { Deliver, Outcome } from '../outcome.ts'
import { deliverBytes, LinkDecoder, type LinkFrame, MAX_BATCH_BYTES, writeDeliver } from './link-frames.ts'
import { closeLink, sendBytes } from './link-socket.ts'

/**
 * How a link ended: `no_link`, the other end is there and takes none; `unreachable`, it is not there; `broken`, it was there;
 * `done`, we have closed it.
 */
export type LinkEnd = 'no_link' | 'unreachable' | 'broken' | 'done'

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
  /** Called once; nothing goes over this link any more. */
  onEnd(end: LinkEnd): void
}

/** A message on its way. */
interface Parcel {
  readonly user: string
  readonly deliver: Deliver
  readonly message: Message
  readonly bytes: number
  /** Once it is sent. */
  id: number | undefined
  readonly settle: (outcome: Outcome | undefined) => void
}

/**
 * The dialling end of a link, from the first dialling to its end; it is not dialled again. Messages of one round of the event
 * loop go out together. A message that waits here (for the link, or because as many bytes are on it as the other end takes) can
 * still be taken back; one that was sent cannot, so when the link breaks nobody knows what became of it.
 */
export class LinkSender {
  readonly #options: LinkSenderOptions
  readonly #waiting = new Set<Parcel>()
  readonly #sent = new Map<number, Parcel>()
  readonly #decoder = new LinkDecoder(0)
  #socket: WebSocket | undefined
  /** Before the dialling, and from there to the hello. */
  #timer: NodeJS.Timeout | undefined
  #ticker: NodeJS.Timeout | undefined
  #hello: Extract<LinkFrame, { type: 'hello' }> | undefined
  #flush: NodeJS.Immediate | undefined
  #nextId = 0
  #unread = 0
  /** Pings after which nothing came. */
  #unanswered = 0
  #idleMs = 0
  #ended = false
  /** What it is when the connection ends now. */
  #failure: LinkEnd = 'unreachable'
  /** Whether a message has ever had its outcome over this link. */
  proved = false

  constructor(options: LinkSenderOptions) {
    this.#options = options
    this.#timer = setTimeout(() => this.#dial(), options.delayMs)
  }

  /** Whether messages go out at once, and in their order. */
  get open(): boolean {
    return !this.#ended && this.#hello !== undefined && this.#socket?.readyState === WebSocket.OPEN
  }

  /** Never throws. `undefined`: the other end takes no links, and nothing was sent. */
  send(user: string, deliver: Deliver, message: Message, signal: AbortSignal): Promise<Outcome | undefined> {
    if (signal.aborted) return Promise.resolve('timeout')
    if (this.#ended) return Promise.resolve('no_owner')
    return new Promise(resolve => {
      const expire = () => {
        this.#waiting.delete(parcel)
        if (parcel.id !== undefined) this.#sent.delete(parcel.id)
        resolve('timeout')
      }
      const settle = (outcome: Outcome | undefined) => {
        signal.removeEventListener('abort', expire)
        resolve(outcome)
      }
      const bytes = deliverBytes(user, message)
      const parcel: Parcel = { user, deliver, message, bytes, id: undefined, settle }
      signal.addEventListener('abort', expire)
      this.#waiting.add(parcel)
      this.#schedule()
    })
  }

  /** Ends the link; what waits here has no owner. */
  close(): void {
    this.#end('done', CLOSE.GOING_AWAY, '')
  }

  #dial(): void {
    const { member, headers, handshakeMs } = this.#options
    const { host, port } = member
    const socket = new WebSocket(`ws://sidecar${MESSAGE_PATH}`, LINK_PROTOCOL, {
      // Not every name of a member can be written in a URL.
      createConnection: () => connect({ host, port }),
      headers: { ...headers, host: member.name },
      perMessageDeflate: false,
      maxPayload: MAX_BATCH_BYTES,
    })
    this.#socket = socket
    this.#timer = setTimeout(() => this.#end('unreachable'), handshakeMs)
    // Who answers a handshake, but not as a link, is something else: a sidecar that knows none passes it to its app.
    socket.once('upgrade', () => {
      this.#failure = 'no_link'
    })
    socket.once('open', () => {
      this.#failure = 'unreachable'
    })
    socket.once('unexpected-response', () => this.#end('no_link'))
    socket.on('error', () => this.#end(this.#failure))
    socket.once('close', () => this.#end(this.#failure))
    socket.on('message', (data: Buffer, binary: boolean) => this.#receive(data, binary))
    socket.on('pong', () => {
      this.#unanswered = 0
    })
  }

  #receive(data: Buffer, binary: boolean): void {
    if (this.#ended) return
    this.#unanswered = 0
    const problem = binary ? this.#read(data) : 'a text message'
    if (problem !== undefined) this.#end('broken', CLOSE.PROTOCOL_ERROR, problem)
  }

  #read(data: Buffer): string | undefined {
    for (const frame of this.#decoder.push(data)) {
      if ((frame.type === 'hello') === (this.#hello !== undefined)) return `${frame.type} out of place`
      if (frame.type === 'hello') this.#greet(frame)
      else if (frame.type === 'outcome') this.#settle(frame.id, frame.outcome)
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
    this.#schedule()
  }

  /** An id that is not known is of a message whose time was up. */
  #settle(id: number, outcome: Outcome): void {
    const parcel = this.#sent.get(id)
    this.#sent.delete(id)
    this.proved = true
    parcel?.settle(outcome)
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
    if (this.open && this.#waiting.size > 0) this.#flush ??= setImmediate(() => this.#write())
  }

  #write(): void {
    this.#flush = undefined
    if (!this.open || !this.#hello || !this.#socket) return
    const { windowBytes, maxMessageBytes } = this.#hello
    const batch: Parcel[] = []
    let bytes = 0
    for (const parcel of this.#waiting) {
      if (parcel.message.data.length > maxMessageBytes) {
        this.#waiting.delete(parcel)
        parcel.settle('too_large')
        continue
      }
      const unread = this.#unread + bytes
      // One message that is larger than the window may go alone.
      if (unread > 0 && unread + parcel.bytes > windowBytes) break
      this.#waiting.delete(parcel)
      batch.push(parcel)
      bytes += parcel.bytes
    }
    if (bytes === 0) return
    const buffer = Buffer.allocUnsafe(bytes)
    let offset = 0
    for (const parcel of batch) {
      const id = this.#nextId
      this.#nextId = (id + 1) >>> 0
      parcel.id = id
      this.#sent.set(id, parcel)
      offset = writeDeliver(buffer, offset, id, parcel.user, parcel.deliver, parcel.message)
    }
    this.#unread += bytes
    this.#idleMs = 0
    sendBytes(this.#socket, buffer)
  }

  #end(end: LinkEnd, code?: number, reason = ''): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    clearInterval(this.#ticker)
    clearImmediate(this.#flush)
    if (this.#socket) {
      // `terminate` of a socket that is being dialled says so by an error that means nothing any more.
      if (code === undefined) this.#socket.terminate()
      else closeLink(this.#socket, code, reason)
    }
    this.#options.onEnd(end)
    for (const parcel of this.#sent.values()) parcel.settle('timeout')
    for (const parcel of this.#waiting) parcel.settle(end === 'no_link' ? undefined : 'no_owner')
    this.#sent.clear()
    this.#waiting.clear()
  }
}
