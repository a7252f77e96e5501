import type { WebSocket } from 'ws'
import { CLOSE, closeCodeOfReadError } from './close-codes.ts'
import type { Direction, Message } from './message.ts'

/** The two ends of a bridged connection: the one that was accepted, and the one that was dialled. */
export type Side = 'client' | 'upstream'

/**
 * `open`: messages pass both ways. `closing`: one side has ended or we end both; nothing passes any more, the close is carried
 * over. `closed`: both sockets are gone.
 */
export type BridgeState = 'open' | 'closing' | 'closed'

export interface BridgeOptions {
  /** Bytes that may wait for a slow reader before the other side is no longer read. */
  readonly maxQueueBytes: number
  /** Sees each message before it passes; `true` takes it out of the stream. */
  readonly intercept?: (bridge: Bridge, direction: Direction, message: Message) => boolean
  /** Called once, when both sockets are gone. */
  readonly onClosed?: (bridge: Bridge, end: BridgeEnd) => void
}

/** How a bridged connection ended: which side began, with which code and reason (RFC 6455 §7.1.5; 1005 and 1006 as there). */
export interface BridgeEnd {
  readonly by: Side | 'proxy'
  readonly code: number
  readonly reason: string
}

/** What `send` did: the bytes are with the kernel, the side's queue is full, or the connection has ended. */
export type SendResult = 'sent' | 'full' | 'closed'

const OPEN = 1

/**
 * Joins an accepted and a dialled WebSocket: messages, pings and pongs, close codes and reasons pass both ways; a side that
 * reads slowly stops the reading of the other. Further messages can be put into either side between two messages.
 *
 * This narrow surface is all that sidecar and balancer know of a connection.
 */
export class Bridge {
  readonly #sockets: Readonly<Record<Side, WebSocket>>
  readonly #options: BridgeOptions
  readonly #holds: Record<Side, number> = { client: 0, upstream: 0 }
  readonly #full: Record<Side, boolean> = { client: false, upstream: false }
  #end: BridgeEnd | undefined
  #openSides = 2
  #resolveClosed!: () => void

  /** Resolves when both sockets are gone. */
  readonly closed = new Promise<void>(resolve => {
    this.#resolveClosed = resolve
  })

  /** @param upstream as {@link dial} returns it: paused, so that what it has sent already comes first */
  constructor(client: WebSocket, upstream: WebSocket, options: BridgeOptions) {
    this.#sockets = { client, upstream }
    this.#options = options
    this.#join('client', 'upstream', 'inbound')
    this.#join('upstream', 'client', 'outbound')
    upstream.resume()
  }

  get state(): BridgeState {
    if (this.#openSides === 0) return 'closed'
    return this.#end ? 'closing' : 'open'
  }

  /** Bytes that wait to be written to a side. */
  queuedBytes(side: Side): number {
    return this.#sockets[side].bufferedAmount
  }

  /**
   * Writes a message to one side, as if the other side had sent it.
   *
   * @returns when the kernel has it, or at once when it cannot be written
   */
  send(side: Side, { data, binary }: Message): Promise<SendResult> {
    const socket = this.#sockets[side]
    if (this.#end || socket.readyState !== OPEN) return Promise.resolve('closed')
    if (socket.bufferedAmount > 0 && socket.bufferedAmount + data.length > this.#options.maxQueueBytes)
      return Promise.resolve('full')
    return new Promise(resolve => socket.send(data, { binary }, error => resolve(error ? 'closed' : 'sent')))
  }

  /** Stops reading a side until `release` was called as often: what it sent is being worked on and must not pile up. */
  hold(side: Side): void {
    this.#holds[side]++
    this.#regulate(side)
  }

  release(side: Side): void {
    this.#holds[side]--
    this.#regulate(side)
  }

  /** Closes both sides: the client with this code and reason, the upstream as a client that goes away. */
  close(code: number, reason: string): void {
    if (this.#end) return
    this.#end = { by: 'proxy', code, reason }
    this.#sockets.client.resume()
    this.#sockets.client.close(code, reason)
    this.#sockets.upstream.resume()
    this.#sockets.upstream.close(CLOSE.GOING_AWAY)
  }

  /** Ends both sockets at once, without a close handshake. */
  terminate(): void {
    this.#end ??= { by: 'proxy', code: CLOSE.ABNORMAL, reason: '' }
    this.#sockets.client.terminate()
    this.#sockets.upstream.terminate()
  }

  #join(from: Side, to: Side, direction: Direction): void {
    const source = this.#sockets[from]
    const target = this.#sockets[to]
    const written = () => {
      if (!this.#full[from] || target.bufferedAmount > this.#options.maxQueueBytes / 2) return
      this.#full[from] = false
      this.#regulate(from)
    }
    const throttle = () => {
      if (this.#full[from] || target.bufferedAmount <= this.#options.maxQueueBytes) return
      this.#full[from] = true
      this.#regulate(from)
    }
    source.on('message', (data: Buffer, binary: boolean) => {
      if (this.#end) return
      if (this.#options.intercept?.(this, direction, { data, binary })) return
      target.send(data, { binary }, written)
      throttle()
    })
    source.on('ping', (data: Buffer) => this.#control(() => target.ping(data, undefined, written), throttle))
    source.on('pong', (data: Buffer) => this.#control(() => target.pong(data, undefined, written), throttle))
    let readError: number | undefined
    source.on('error', (error: NodeJS.ErrnoException) => {
      readError ??= closeCodeOfReadError(error.code)
    })
    source.on('close', (code: number, reason: Buffer) => {
      this.#openSides--
      this.#carryClose(from, readError ?? code, reason)
      if (this.#openSides > 0) return
      this.#options.onClosed?.(this, this.#end as BridgeEnd)
      this.#resolveClosed()
    })
  }

  #control(forward: () => void, throttle: () => void): void {
    if (this.#end) return
    forward()
    throttle()
  }

  /** One side has ended: the other one ends the same way. */
  #carryClose(from: Side, code: number, reason: Buffer): void {
    const ours = this.#end
    this.#end ??= { by: from, code, reason: reason.toString('utf8') }
    if (ours) return
    const other = this.#sockets[from === 'client' ? 'upstream' : 'client']
    // A paused socket would never read the answer to our close frame.
    other.resume()
    if (code === CLOSE.ABNORMAL) other.terminate()
    else if (code === CLOSE.NO_STATUS) other.close()
    else other.close(code, reason)
  }

  #regulate(side: Side): void {
    const socket = this.#sockets[side]
    if (this.#end || socket.readyState !== OPEN) return
    if (this.#full[side] || this.#holds[side] > 0) socket.pause()
    else socket.resume()
  }
}
