import type { Socket } from 'node:net'
import type { SendResult, Side } from '../../../lib/bridge/bridge.ts'
import { type Answered, type Dialling, dial } from '../../../lib/bridge/socket/dial.ts'
import { attach, type SocketHandler } from '../../../lib/bridge/socket/socket-handler.ts'
import { isAccepted, withField } from '../../../lib/proxy/handshake.ts'
import { confirmedUser } from '../../../lib/proxy/handshake-user.ts'
import { serviceError } from '../../../lib/service/http/errors.ts'
import { SHADOW_HEADER } from '../../../lib/service/names.ts'
import { CLOSE } from '../../../lib/websocket/close-codes.ts'
import { encodeClose, encodeFrame, OPCODE } from '../../../lib/websocket/frames.ts'
import { encodeMask, nextMask } from '../../../lib/websocket/mask.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import type { Origin } from '../../transport/transport.ts'
import { MessageReader, type StreamListener } from './message-reader.ts'
import { PingFences } from './ping-fences.ts'
import type { ShadowEnd, ShadowTarget } from './shadow-types.ts'

/** Longest time for the app to answer our close frame, in milliseconds: until then it may not have read what came before. */
const CLOSE_MS = 10_000

/** The sender's pod lets one queue's worth of its messages be under way, and one message more. */
const QUEUES = 2

/** What one takes that carries nothing: its socket, in the kernel too, and the objects that look after it. */
export const SHADOW_BYTES = 12_288

export interface ShadowListener {
  /** The app has written a message, after the first of the sender's. */
  onReply(shadow: Shadow, message: Message): void
  /** Called once, when its socket is gone, or none came about. */
  onGone(shadow: Shadow, end: ShadowEnd): void
}

/**
 * A connection into the app for a client of another pod: it begins with that client's handshake, carries its addressed messages, and
 * gives back what the app answers. docs/adr/0013 has its states.
 */
export class Shadow implements SocketHandler, StreamListener {
  readonly origin: Origin
  /** Whom the app takes the client for; `undefined`: nobody knows. */
  user: string | undefined
  /** Name of the member that has sent last for the client: replies go there. */
  home: string
  /** On the clock of `performance.now()`: when it was begun, and the last message of the sender. */
  readonly since = performance.now()
  usedAt = this.since
  state: 'opening' | 'open' | 'closing' | 'gone' = 'opening'
  /** Resolves with whether the app has taken it. */
  readonly opened: Promise<boolean>
  /** Resolves when the app has no connection of it any more. */
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
  /** All that comes before its pong is a greeting; `undefined`: no message was written yet. */
  #firstPing: Buffer | undefined
  #greeted = false
  readonly #fences = new PingFences()
  /** The app's last ping, while what it was sent before waits to be read: its answer waits too. */
  #unansweredPing: Buffer | undefined
  /** What it takes of the memory while it lives. */
  #taken: number
  #partial = 0

  /**
   * @param ready what has to be awaited before the first message
   */
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
    this.#dialling = dial(target.host, target.port, withField(origin.handshake, SHADOW_HEADER, 'true'), target)
    this.opened = this.#open(ready)
  }

  async #open(ready: () => Promise<unknown>): Promise<boolean> {
    try {
      const answered = await this.#dialling.answered
      // The answer may have come in the same moment as the call of `close`, which then had no socket to close.
      if (!isAccepted(answered.head) || this.state !== 'opening') {
        answered.socket.on('error', () => {}).destroy()
        this.#bury()
        return false
      }
      this.#join(answered)
      await ready()
    } catch {
      this.#socket?.on('error', () => {}).destroy()
      this.#bury()
      return false
    }
    // It may have been closed meanwhile, by either side.
    if (this.state !== 'opening') return false
    this.state = 'open'
    return true
  }

  #join({ socket, head, rest }: Answered): void {
    this.#socket = socket
    // The app's own word for whom it takes the client for.
    this.user = confirmedUser(head) ?? this.user
    attach(socket, this, 'upstream')
    if (rest.length > 0) this.receive('upstream', rest)
    if (this.#holds === 0) socket.resume()
    if (socket.closed) this.gone()
  }

  /** Writes a message, as the sender's client would; resolves when the kernel has it, or at once when it cannot be written. */
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

  /** Resolves with `true` when the app has read all that was written; it answers pings in their order (RFC 6455 §5.5.3). */
  fence(timeoutMs: number): Promise<boolean> {
    const socket = this.#socket
    if (this.state !== 'open' || !socket?.writable || !this.#firstPing) return Promise.resolve(false)
    const payload = encodeMask(nextMask())
    socket.write(encodeFrame(OPCODE.PING, payload, nextMask()))
    return this.#fences.wait(payload, timeoutMs)
  }

  /** Ends it as a client that goes away: what was written before, the app still reads. */
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

  /** Ends it at once. */
  terminate(): void {
    this.close('shutdown')
    this.#socket?.destroy()
  }

  /** Takes nothing of what the app writes until `release` was called as often: one chunk can hold thousands of messages. */
  hold(_side: Side = 'upstream'): void {
    if (this.#holds++ > 0) return
    this.#socket?.pause()
    this.#reader.pause()
  }

  release(_side: Side = 'upstream'): void {
    this.#holds--
    // Later: whoever releases may be in the middle of dealing with the message before.
    queueMicrotask(() => {
      if (this.#holds > 0) return
      this.#account(this.#reader.resume())
      if (this.#holds === 0) this.#socket?.resume()
    })
  }

  receive(_side: Side, chunk: Buffer): void {
    this.#account(this.#reader.push(chunk))
  }

  /** Counts the memory of what the app has written here, after some of it was read. @param problem the close code for it, if not 0 */
  #account(problem: number): void {
    const more = this.#reader.heldBytes - this.#partial
    const fits = more <= 0 || this.#limits.memory.has(more)
    this.#take(more)
    this.#partial += more
    if (problem !== 0) this.#break(problem)
    else if (!fits) this.#break(CLOSE.TRY_AGAIN_LATER)
    if (this.state === 'gone') this.#giveBack()
  }

  /** What the app had written before its connection was gone is still taken, and takes its room until then. */
  #giveBack(): void {
    this.#take((this.#reader.hasRest ? this.#partial : 0) - this.#taken)
  }

  /** Memory for what the app has written here is taken elsewhere, or given back. */
  charge(bytes: number): void {
    this.#limits.memory.change(bytes)
  }

  /** Until it is gone. */
  #take(bytes: number): void {
    this.#taken += bytes
    this.#limits.memory.change(bytes)
  }

  onMessage(message: Message): void {
    if (this.#greeted) this.#listener.onReply(this, message)
  }

  /** Of several pings the last may be answered alone (RFC 6455 §5.5.3): so those of an app that does not read do not pile up. */
  onPing(payload: Buffer): void {
    const socket = this.#socket
    if (socket?.writableNeedDrain) this.#unansweredPing = payload
    else if (socket?.writable) socket.write(encodeFrame(OPCODE.PONG, payload, nextMask()))
  }

  onPong(payload: Buffer): void {
    // Of several pings the app may answer the last one only.
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
    this.#bury()
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

  #bury(): void {
    if (this.state === 'gone') return
    this.state = 'gone'
    clearTimeout(this.#timer)
    this.#fences.cancel()
    this.#giveBack()
    this.#listener.onGone(this, this.#end)
    this.#resolveGone()
  }
}
