import type { Socket } from 'node:net'
import type { SendResult, Side } from '../../../lib/bridge/bridge.ts'
import { type Answered, type Dialling, dial } from '../../../lib/bridge/socket/dial.ts'
import { attach, type SocketHandler } from '../../../lib/bridge/socket/socket-handler.ts'
import { isAccepted } from '../../../lib/proxy/handshake.ts'
import { confirmedUser } from '../../../lib/proxy/handshake-user.ts'
import { serviceError } from '../../../lib/service/http/errors.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { encodeMask, nextMask } from '../../../lib/websocket/mask.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import type { Origin } from '../../transport/transport.ts'
import { shadowHandshake } from './introduction.ts'
import { MessageReader, type StreamListener } from './message-reader.ts'
import { PingFences } from './ping-fences.ts'
import type { ShadowEnd, ShadowTarget } from './shadow-types.ts'

/** Time limit for the app to answer our close frame, in milliseconds: it may still be reading earlier messages. */
const CLOSE_MS = 10_000

/** The sender's pod allows one queue's worth of messages in flight, and one message more. */
const QUEUES = 2

/** Memory of an idle shadow: its socket, including the kernel's part, and its objects. */
export const SHADOW_BYTES = 12_288

export interface ShadowListener {
  /** The app has written a message, after the sender's first one. */
  onReply(shadow: Shadow, message: Message): void
  /** Called once, when the socket is gone or could not be opened. */
  onGone(shadow: Shadow, end: ShadowEnd): void
}

/**
 * A connection into the app for a client of another pod: it starts with that client's handshake, carries its addressed
 * messages, and returns the app's replies. Its states are in docs/adr/0013.
 */
export class Shadow implements SocketHandler, StreamListener {
  readonly origin: Origin
  /** User that the app takes the client for; `undefined`: unknown. */
  user: string | undefined
  /** Name of the member that last sent a message for the client: replies go there. */
  home: string
  /** Start of the shadow, and time of the sender's last message (`usedAt`), on the clock of `performance.now()`. */
  readonly since = performance.now()
  usedAt = this.since
  state: 'opening' | 'open' | 'closing' | 'gone' = 'opening'
  /** Resolves with whether the app has accepted the connection. */
  readonly opened: Promise<boolean>
  /** Resolves when the app no longer has this connection. */
  readonly whenGone: Promise<void>
  readonly #limits: ShadowTarget
  readonly #listener: ShadowListener
  readonly #dialling: Dialling
  readonly #reader: MessageReader
  readonly #resolveGone: () => void
  #socket: Socket | undefined
  #end: ShadowEnd = 'failed'
  #timer: NodeJS.Timeout | undefined
  #holds = 0
  /** Messages before the pong of this ping are greetings; `undefined`: no message has been written yet. */
  #firstPing: Buffer | undefined
  #greeted = false
  readonly #fences = new PingFences()
  /** The app's last ping while earlier writes are still unread: its pong is delayed too. */
  #unansweredPing: Buffer | undefined
  /** Memory charged while the shadow lives. */
  #taken: number
  #partial = 0

  /** @param ready awaited before the first message */
  constructor(
    origin: Origin & { handshake: Buffer },
    user: string | undefined,
    home: string,
    target: ShadowTarget,
    listener: ShadowListener,
    ready: () => Promise<unknown>,
  ) {
    this.origin = origin
    this.user = user
    this.home = home
    this.#limits = target
    this.#listener = listener
    this.#taken = SHADOW_BYTES + origin.handshake.length
    target.memory.change(this.#taken)
    this.#reader = new MessageReader(target.maxMessageBytes, this)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.whenGone = promise
    this.#resolveGone = resolve
    this.#dialling = dial(target.host, target.port, shadowHandshake(origin.handshake), target)
    this.opened = this.#open(ready)
  }

  async #open(ready: () => Promise<unknown>): Promise<boolean> {
    try {
      const answered = await this.#dialling.answered
      // The response may arrive in the same moment as a call of `close`, which then had no socket to close.
      if (!isAccepted(answered.head) || this.state !== 'opening') {
        answered.socket.on('error', () => {}).destroy()
        this.#setGone()
        return false
      }
      this.#join(answered)
      await ready()
    } catch {
      this.#socket?.on('error', () => {}).destroy()
      this.#setGone()
      return false
    }
    // Either side may have closed it meanwhile.
    if (this.state !== 'opening') return false
    this.state = 'open'
    return true
  }

  #join({ socket, head, rest }: Answered): void {
    this.#socket = socket
    // The app's response decides which user the client is.
    this.user = confirmedUser(head) ?? this.user
    attach(socket, this, 'upstream')
    if (rest.length > 0) this.receive('upstream', rest)
    if (this.#holds === 0) socket.resume()
    if (socket.closed) this.gone()
  }

  /**
   * Writes a message as the sender's client would; resolves when the kernel has it, or at once if it cannot be written.
   */
  async send(_side: Side, message: Message): Promise<SendResult> {
    const socket = this.#socket
    if (this.state !== 'open' || !socket?.writable) return 'closed'
    const { data, binary } = message
    const queued = socket.writableLength
    const { maxQueueBytes, memory } = this.#limits
    if (!memory.has(data.length) || (queued > 0 && queued + data.length > QUEUES * maxQueueBytes)) return 'full'
    this.usedAt = performance.now()
    if (!this.#firstPing) {
      this.#firstPing = encodeMask(nextMask())
      socket.write(encodeFrame(OPCODE.PING, this.#firstPing, nextMask()))
    }
    const frame = encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data, nextMask())
    memory.change(frame.length)
    const sent = await new Promise<boolean>(resolve => socket.write(frame, error => resolve(!error)))
    memory.change(-frame.length)
    return sent ? 'sent' : 'closed'
  }

  /** Resolves with `true` when the app has read everything written: it answers pings in order (RFC 6455 §5.5.3). */
  fence(timeoutMs: number): Promise<boolean> {
    const socket = this.#socket
    if (this.state !== 'open' || !socket?.writable || !this.#firstPing) return Promise.resolve(false)
    const payload = encodeMask(nextMask())
    socket.write(encodeFrame(OPCODE.PING, payload, nextMask()))
    return this.#fences.wait(payload, timeoutMs)
  }

  /** Closes like a client going away: the app still reads earlier messages. */
  close(end: ShadowEnd): void {
    if (this.state === 'closing' || this.state === 'gone') return
    this.#end = end
    this.state = 'closing'
    const socket = this.#socket
    if (!socket) {
      this.#dialling.abort(serviceError('CLIENT_GONE'))
      return
    }
    if (socket.writable) socket.write(encodeFrame(OPCODE.CLOSE, encodeClose(CLOSE.GOING_AWAY), nextMask()))
    this.#endIn(CLOSE_MS)
  }

  /** Ends the connection at once. */
  terminate(): void {
    this.close('shutdown')
    this.#socket?.destroy()
  }

  /** Stops reading from the app until `release` has been called as often: one chunk can hold thousands of messages. */
  hold(_side: Side = 'upstream'): void {
    if (this.#holds++ > 0) return
    this.#socket?.pause()
    this.#reader.pause()
  }

  release(_side: Side = 'upstream'): void {
    this.#holds--
    // Deferred: the caller may still be processing the previous message.
    queueMicrotask(() => {
      if (this.#holds > 0) return
      this.#account(this.#reader.resume())
      if (this.#holds === 0) this.#socket?.resume()
    })
  }

  receive(_side: Side, chunk: Buffer): void {
    this.#account(this.#reader.push(chunk))
  }

  /** Charges the memory of the app's unread bytes after a read. @param problem close code of a violation, 0 if none */
  #account(problem: number): void {
    const more = this.#reader.heldBytes - this.#partial
    const fits = more <= 0 || this.#limits.memory.has(more)
    this.#take(more)
    this.#partial += more
    if (problem !== 0) this.#break(problem)
    else if (!fits) this.#break(CLOSE.TRY_AGAIN_LATER)
    if (this.state === 'gone') this.#giveBack()
  }

  /** The app's last messages are still read after its connection is gone, and are charged until then. */
  #giveBack(): void {
    this.#take((this.#reader.hasRest ? this.#partial : 0) - this.#taken)
  }

  /** Charges or releases memory for the app's messages that are held elsewhere. */
  charge(bytes: number): void {
    this.#limits.memory.change(bytes)
  }

  /** Charges memory until the connection is gone. */
  #take(bytes: number): void {
    this.#taken += bytes
    this.#limits.memory.change(bytes)
  }

  onMessage(message: Message): void {
    if (this.#greeted) this.#listener.onReply(this, message)
  }

  /**
   * Of several pings, answering the last suffices (RFC 6455 §5.5.3), so pongs do not pile up for an app that does not
   * read.
   */
  onPing(payload: Buffer): void {
    const socket = this.#socket
    if (socket?.writableNeedDrain) this.#unansweredPing = payload
    else if (socket?.writable) socket.write(encodeFrame(OPCODE.PONG, payload, nextMask()))
  }

  onPong(payload: Buffer): void {
    // The app may answer only the last of several pings.
    if (this.#fences.answer(payload) || this.#firstPing?.equals(payload)) this.#greeted = true
  }

  onClose(payload: Buffer): void {
    if (this.state === 'gone') return
    const socket = this.#socket
    if (this.state !== 'closing') {
      this.#end = 'app'
      this.state = 'closing'
      if (socket?.writable) socket.write(encodeFrame(OPCODE.CLOSE, payload, nextMask()))
    }
    socket?.end()
    this.#endIn(CLOSE_MS)
  }

  drained(): void {
    const payload = this.#unansweredPing
    this.#unansweredPing = undefined
    if (payload) this.onPing(payload)
  }

  ended(): void {
    if (this.state !== 'closing') this.#end = 'app'
    if (this.state !== 'gone') this.state = 'closing'
    this.#socket?.end()
    this.#endIn(CLOSE_MS)
  }

  gone(): void {
    if (this.state === 'opening' || this.state === 'open') this.#end = 'app'
    this.#setGone()
  }

  #break(code: number): void {
    if (this.state === 'gone') return
    this.#end = 'broken'
    this.state = 'closing'
    if (this.#socket?.writable) this.#socket.end(encodeFrame(OPCODE.CLOSE, encodeClose(code), nextMask()))
    this.#socket?.destroySoon()
    // An app that does not read does not take our close frame either.
    this.#endIn(CLOSE_MS)
  }

  #endIn(ms: number): void {
    this.#timer ??= setTimeout(() => this.#socket?.destroy(), ms)
  }

  #setGone(): void {
    if (this.state === 'gone') return
    this.state = 'gone'
    clearTimeout(this.#timer)
    this.#fences.cancel()
    this.#giveBack()
    this.#listener.onGone(this, this.#end)
    this.#resolveGone()
  }
}
