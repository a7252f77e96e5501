import type { Socket } from 'node:net'
import { CLOSE } from './close-codes.ts'
import { encodeClose } from './frames.ts'
import { encodeMask, nextMask } from './mask.ts'
import type { Direction, Message, RecipientFinder } from './message.ts'
import { Pipe, type PipeListener } from './pipe.ts'

/** The two ends of a bridged connection: the one that was accepted, and the one that was dialled. */
export type Side = 'client' | 'upstream'

/**
 * `open`: messages pass both ways. `closing`: one side has said that it ends, or we have told both; what still comes is carried
 * over. `closed`: both sockets are gone.
 */
export type BridgeState = 'open' | 'closing' | 'closed'

export interface BridgeOptions<C = unknown> {
  /** Bytes that may wait for a slow reader before the other side is no longer read. */
  readonly maxQueueBytes: number
  /** Largest message; a larger one closes both sides with 1009. */
  readonly maxMessageBytes: number
  /** Counts the sweeps; shared by all connections, so that what is seen needs no clock. */
  readonly clock: { readonly now: number }
  /** In sweeps, 0 for never: when a side gets a ping, and when it is given up; and how long a queue may stay full. */
  readonly pingAfter: Readonly<Record<Side, number>>
  readonly idleAfter: Readonly<Record<Side, number>>
  readonly slowAfter: number
  /** Finds addressed messages, in the directions that have any; each goes to `onAddressed`. */
  readonly find?: Readonly<Partial<Record<Direction, RecipientFinder>>>
  /** An addressed message; `true` takes it out of the stream. */
  onAddressed?(bridge: Bridge<C>, direction: Direction, recipient: string, message: Message): boolean
  /** Called once, when both sockets are gone. */
  onClosed?(bridge: Bridge<C>, end: BridgeEnd): void
}

/** Who or what ended a connection: one of its sides, or we, and why. */
export type EndCause = Side | 'shutdown' | 'idle' | 'slow_consumer' | 'too_big' | 'terminated'

/** How a bridged connection ended, with its close code and reason (RFC 6455 §7.1.5; 1005 and 1006 as there). */
export interface BridgeEnd {
  readonly cause: EndCause
  readonly code: number
  readonly reason: string
}

/** What `send` did: the bytes are with the kernel, the side's queue is full, or the connection has ended. */
export type SendResult = 'sent' | 'full' | 'closed'

/** Sweeps for what is left when one side has ended, or when we have closed both. */
const CLOSE_SWEEPS = 10

const SIDES = ['client', 'upstream'] as const
const OTHER = { client: 'upstream', upstream: 'client' } as const
const FROM = { inbound: 'client', outbound: 'upstream' } as const

/** What an event of a socket has to find: its connection, and which of the two it is. */
const kBridge = Symbol('bridge')
const kSide = Symbol('side')
type Bridged = Socket & { [kBridge]: Bridge; [kSide]: Side }

/**
 * Joins an accepted and a dialled connection: bytes pass both ways as they came, and with them messages, pings, close codes and
 * the ends of the connections; a side that reads slowly stops the reading of the other. Messages of others can be put into
 * either side between two messages.
 *
 * This narrow surface is all that sidecar and balancer know of a connection.
 */
export class Bridge<C = unknown> implements PipeListener {
  /** What the owner of the connection wants to remember with it. */
  readonly context: C
  readonly #options: BridgeOptions<C>
  /** By the side that they read. */
  readonly #pipes: Readonly<Record<Side, Pipe>>
  #holds = { client: 0, upstream: 0 }
  #full = { client: false, upstream: false }
  /** Sweep in which a side was last heard of, and in which the reading of a side was stopped for a full queue. */
  #seen: Record<Side, number>
  #fullSince = { client: 0, upstream: 0 }
  #end: BridgeEnd | undefined
  #openSides = 2
  /** Sweep in which what is left is cut off. */
  #deadline = Number.POSITIVE_INFINITY
  #early: Readonly<Record<Side, Buffer>> | undefined
  #waiters: (() => void)[] | undefined

  /**
   * Takes over both sockets, which must be paused. Nothing passes before `start`.
   *
   * @param early what each has sent already, after its handshake
   * @param answer the head that accepts the client
   */
  constructor(
    client: Socket,
    upstream: Socket,
    early: Readonly<Record<Side, Buffer>>,
    answer: Buffer,
    options: BridgeOptions<C>,
    context: C,
  ) {
    this.context = context
    this.#options = options
    this.#seen = { client: options.clock.now, upstream: options.clock.now }
    this.#early = early
    const { maxMessageBytes, find } = options
    this.#pipes = {
      client: new Pipe('inbound', client, upstream, maxMessageBytes, this, find?.inbound),
      upstream: new Pipe('outbound', upstream, client, maxMessageBytes, this, find?.outbound),
    }
    this.#attach(client, 'client')
    this.#attach(upstream, 'upstream')
    if (client.writable) client.write(answer)
  }

  /** Begins to pass what both sides send, first what they have sent already. */
  start(): void {
    const early = this.#early
    this.#early = undefined
    for (const side of SIDES) {
      if (early && early[side].length > 0) this.receive(side, early[side])
      this.#regulate(side)
      // It may have gone, or ended its side, before anybody listened.
      const { source } = this.#pipes[side]
      if (source.closed) this.gone(side)
      else if (source.readableEnded) this.ended(side)
    }
  }

  /** Resolves when both sockets are gone. */
  get closed(): Promise<void> {
    if (this.#openSides === 0) return Promise.resolve()
    return new Promise(resolve => {
      this.#waiters ??= []
      this.#waiters.push(resolve)
    })
  }

  get state(): BridgeState {
    if (this.#openSides === 0) return 'closed'
    return this.#end ? 'closing' : 'open'
  }

  /** Bytes that wait to be written to a side. */
  queuedBytes(side: Side): number {
    return this.#pipes[OTHER[side]].queuedBytes
  }

  /**
   * Writes a message to one side, as if the other side had sent it.
   *
   * @returns when the kernel has it, or at once when it cannot be written
   */
  async send(side: Side, message: Message): Promise<SendResult> {
    const pipe = this.#pipes[OTHER[side]]
    const queued = pipe.queuedBytes
    if (this.#end) return 'closed'
    if (queued > 0 && queued + message.data.length > this.#options.maxQueueBytes) return 'full'
    return (await pipe.inject(message)) ? 'sent' : 'closed'
  }

  /** Stops reading a side until `release` was called as often: what it sent is being worked on and must not pile up. */
  hold(side: Side): void {
    this.#holds[side]++
    this.#regulate(side)
  }

  release(side: Side): void {
    this.#holds[side]--
    this.#seen[side] = this.#options.clock.now
    this.#regulate(side)
  }

  /** Closes both sides: the client with this code and reason, the upstream as a client that goes away. */
  close(cause: Exclude<EndCause, Side>, code: number, reason: string): void {
    this.#shut({ cause, code, reason }, CLOSE.GOING_AWAY)
  }

  /** Looks after a connection that has a limit in time; to be called once for every step of the clock. */
  sweep(): void {
    if (this.#options.clock.now >= this.#deadline) this.terminate()
    if (this.#end) return
    const { clock, pingAfter, idleAfter, slowAfter } = this.#options
    for (const side of SIDES) {
      // What it has sent is still being worked on, and that has a time limit of its own.
      if (this.#holds[side] > 0) continue
      if (this.#full[side]) {
        // A side whose reading we have stopped cannot be heard of; it is the other one that is too slow.
        if (slowAfter > 0 && clock.now - this.#fullSince[side] >= slowAfter) {
          this.close('slow_consumer', CLOSE.TRY_AGAIN_LATER, 'slow consumer')
          return
        }
        continue
      }
      const silent = clock.now - this.#seen[side]
      if (idleAfter[side] > 0 && silent >= idleAfter[side]) {
        this.close('idle', CLOSE.GOING_AWAY, 'idle timeout')
        return
      }
      if (pingAfter[side] > 0 && silent > 0 && silent % pingAfter[side] === 0) this.#ping(side)
    }
  }

  #ping(side: Side): void {
    const payload = encodeMask(nextMask())
    if (this.#pipes[OTHER[side]].ping(payload)) this.#pipes[side].expectPong(payload)
  }

  /** Ends both sockets at once, without a close handshake. */
  terminate(): void {
    this.#end ??= { cause: 'terminated', code: CLOSE.ABNORMAL, reason: '' }
    this.#pipes.client.source.destroy()
    this.#pipes.upstream.source.destroy()
  }

  onAddressed(pipe: Pipe, recipient: string, message: Message): boolean {
    return this.#options.onAddressed?.(this, pipe.direction, recipient, message) ?? false
  }

  onCloseFrame(pipe: Pipe, payload: Buffer): void {
    const side = FROM[pipe.direction]
    if (this.#byUs) {
      // It has answered our close frame, or its own has crossed ours: either way this connection is done.
      pipe.source.end()
      return
    }
    this.#end ??= {
      cause: side,
      code: payload.length < 2 ? CLOSE.NO_STATUS : payload.readUInt16BE(0),
      reason: payload.toString('utf8', 2),
    }
    this.#hurry()
  }

  onTooBig(pipe: Pipe): void {
    this.#shut({ cause: 'too_big', code: CLOSE.TOO_BIG, reason: 'message too big' }, CLOSE.TOO_BIG)
    // Its answer is somewhere behind bytes that nobody reads any more.
    pipe.source.end()
  }

  /** Of the sockets' events only. */
  receive(side: Side, chunk: Buffer): void {
    this.#seen[side] = this.#options.clock.now
    if (this.#pipes[side].push(chunk) || this.#full[side]) return
    this.#full[side] = true
    this.#fullSince[side] = this.#options.clock.now
    this.#regulate(side)
  }

  drained(side: Side): void {
    const other = OTHER[side]
    if (!this.#full[other]) return
    this.#full[other] = false
    this.#seen[other] = this.#options.clock.now
    this.#regulate(other)
  }

  ended(side: Side): void {
    const pipe = this.#pipes[side]
    pipe.finish()
    // Ours to close, each on its own, where we have ended both; else the other side learns of it as it happened.
    if (this.#byUs) pipe.source.end()
    else pipe.target.end()
    this.#hurry()
  }

  gone(side: Side): void {
    this.#openSides--
    this.#end ??= { cause: side, code: CLOSE.ABNORMAL, reason: '' }
    this.#pipes[OTHER[side]].abandon()
    if (this.#openSides > 0) {
      this.#pipes[side].finish()
      // What it had sent still reaches the other side, and then the end; unless we have told both to end by themselves.
      if (!this.#byUs) this.#pipes[side].target.destroySoon()
      this.#hurry()
      return
    }
    this.#options.onClosed?.(this, this.#end)
    for (const resolve of this.#waiters ?? []) resolve()
  }

  /** Whether it was we who ended the connection: then each side answers us, not the other one. */
  get #byUs(): boolean {
    return this.#end !== undefined && this.#end.cause !== 'client' && this.#end.cause !== 'upstream'
  }

  #shut(end: BridgeEnd, upstreamCode: number): void {
    if (this.#end) return
    this.#end = end
    this.#pipes.upstream.close(encodeClose(end.code, end.reason))
    this.#pipes.client.close(encodeClose(upstreamCode))
    // What is sent now is read only for the answers to our close frames.
    this.#pipes.client.source.resume()
    this.#pipes.upstream.source.resume()
    this.#hurry()
  }

  /** From here on the rest has a time limit. */
  #hurry(): void {
    this.#deadline = Math.min(this.#deadline, this.#options.clock.now + CLOSE_SWEEPS)
  }

  #regulate(side: Side): void {
    const { source } = this.#pipes[side]
    const stop = this.#full[side] || this.#holds[side] > 0
    // When we have closed, the source is read whatever happens: its answer has to be seen.
    if (stop && !this.#byUs) source.pause()
    else source.resume()
  }

  #attach(socket: Socket, side: Side): void {
    const bridged = socket as Bridged
    bridged[kBridge] = this
    bridged[kSide] = side
    socket.pause()
    socket.on('data', onData).on('drain', onDrain).on('end', onEnd).on('close', onClose).on('error', onError)
  }
}

// One function for all sockets instead of five closures for each.

function onData(this: Socket, chunk: Buffer): void {
  const { [kBridge]: bridge, [kSide]: side } = this as Bridged
  bridge.receive(side, chunk)
}

function onDrain(this: Socket): void {
  const { [kBridge]: bridge, [kSide]: side } = this as Bridged
  bridge.drained(side)
}

function onEnd(this: Socket): void {
  const { [kBridge]: bridge, [kSide]: side } = this as Bridged
  bridge.ended(side)
}

function onClose(this: Socket): void {
  const { [kBridge]: bridge, [kSide]: side } = this as Bridged
  bridge.gone(side)
}

/** The close that follows tells all there is to know. */
function onError(): void {}
