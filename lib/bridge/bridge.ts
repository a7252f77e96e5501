import type { Socket } from 'node:net'
import { CLOSE } from '../websocket/close-codes.ts'
import { OPCODE } from '../websocket/frames.ts'
import { encodeMask, nextMask } from '../websocket/mask.ts'
import type { Message } from '../websocket/message.ts'
import { PipeEvents, SocketEvents } from './bridge-events.ts'
import type { BridgeState, EndCause, Extras, OptionsOf, SendResult } from './bridge-options.ts'
import { BridgePipes, OTHER, SIDES } from './bridge-pipes.ts'
import { Ending } from './ending.ts'
import { FlowControl } from './flow-control.ts'
import { BridgeHandover } from './handover/bridge-handover.ts'
import { Fence } from './handover/fence.ts'
import type { HandedOver, HandOver } from './handover/handover.ts'
import { Lifecycle } from './lifecycle.ts'
import { MemoryUse } from './memory-use.ts'
import type { Answered } from './socket/dial.ts'
import { attach, type Side } from './socket/socket-handler.ts'
import { Traffic } from './traffic.ts'

export type * from './bridge-options.ts'
export type BridgeOptions<C = unknown> = OptionsOf<Bridge<C>>
export type { HandedOver, HandOver } from './handover/handover.ts'
export type { Side } from './socket/socket-handler.ts'

/**
 * Joins an accepted and a dialled connection. Bytes pass unchanged in both directions, and with them messages, pings,
 * close codes and connection ends. A slow reader stops the reading of the other side. Messages from elsewhere can be
 * injected into either side between two messages.
 *
 * This surface is all that sidecar and balancer know of a connection. Each of its parts owns one state.
 */
export class Bridge<C = unknown> {
  /** Data that the owner of the connection keeps with it. */
  readonly context: C
  readonly #options: BridgeOptions<C>
  readonly #life: Lifecycle
  readonly #flow: FlowControl
  readonly #use: MemoryUse
  readonly #pipes: BridgePipes
  readonly #traffic: Traffic
  readonly #ending: Ending<Bridge<C>>
  readonly #fence: Fence
  readonly #handover: BridgeHandover
  #early: Readonly<Record<Side, Buffer>> | undefined

  /**
   * Takes over both sockets, which must be paused. No bytes pass before `start`.
   *
   * @param early bytes that each side has sent after its handshake
   * @param answer response head that accepts the client
   * @param extras optional per-connection settings
   */
  constructor(
    client: Socket,
    upstream: Socket,
    early: Readonly<Record<Side, Buffer>>,
    answer: Buffer,
    options: BridgeOptions<C>,
    context: C,
    extras?: Extras,
  ) {
    const { clock, memory } = options
    const listener = new PipeEvents<Bridge<C>>(this, options)
    const life = new Lifecycle(clock)
    const flow = new FlowControl(clock)
    const use = new MemoryUse(memory)
    const pipes = new BridgePipes(client, upstream, listener, options, extras)
    const traffic = new Traffic(pipes, flow, life, memory, use)
    const ending = new Ending<Bridge<C>>(this, options, { pipes, flow, life, use, traffic })
    const fence = new Fence(pipes, life)
    const sockets = new SocketEvents(traffic, ending)
    const parts = { pipes, flow, life, traffic, ending, fence, sockets, first: extras?.first }
    listener.connect(parts)
    this.context = context
    this.#options = options
    this.#life = life
    this.#flow = flow
    this.#use = use
    this.#pipes = pipes
    this.#traffic = traffic
    this.#ending = ending
    this.#fence = fence
    this.#handover = new BridgeHandover(parts)
    this.#early = early
    attach(client, sockets, 'client')
    attach(upstream, sockets, 'upstream')
    if (client.writable) client.write(answer)
  }

  /** Starts to pass bytes, beginning with those that both sides have already sent. */
  start(): void {
    const early = this.#early
    this.#early = undefined
    for (const side of SIDES) {
      if (early && early[side].length > 0) this.#traffic.receive(side, early[side])
      this.#traffic.regulate(side)
      // The socket may have closed or ended before the bridge attached its handlers.
      const { source } = this.#pipes[side]
      if (source.closed) this.#ending.gone(side)
      else if (source.readableEnded) this.#ending.ended(side)
    }
  }

  /** Resolves when both sockets are gone. */
  get closed(): Promise<void> {
    return this.#life.closed
  }

  get state(): BridgeState {
    return this.#life.state
  }

  /** Bytes waiting to be written to a side. */
  queuedBytes(side: Side): number {
    return this.#pipes[OTHER[side]].queuedBytes
  }

  /**
   * Writes a message to one side, as if the other side had sent it.
   *
   * @param limit bytes that may wait for the side, this message included
   * @returns resolves when the kernel has the message, or at once when it cannot be written
   */
  async send(side: Side, message: Message, limit = this.#options.maxQueueBytes): Promise<SendResult> {
    const pipe = this.#pipes.writerTo(side)
    const queued = pipe.queuedBytes
    if (this.#life.isEnded || (side === 'upstream' && this.#upstreamEnded)) return 'closed'
    const { queueLimit, isFull, tight } = this.#options.memory
    const most = tight ? Math.min(limit, queueLimit) : limit
    if (isFull || (queued > 0 && queued + message.data.length > most)) return 'full'
    const written = pipe.inject(message)
    this.#traffic.count(OTHER[side])
    this.#options.memory.passed(message.data.length)
    const sent = await written
    this.#traffic.count(OTHER[side])
    return sent ? 'sent' : 'closed'
  }

  /**
   * Whether the upstream sends no more. Then it ignores further messages, although its kernel may still accept them.
   */
  get #upstreamEnded(): boolean {
    const { source, closedBySource } = this.#pipes.upstream
    return this.orphaned || closedBySource || source.readableEnded || source.destroyed
  }

  /**
   * Stops reading a side until `release` was called as often, so that messages do not pile up while earlier ones are
   * processed.
   */
  hold(side: Side): void {
    this.#traffic.hold(side)
  }

  release(side: Side): void {
    this.#traffic.release(side)
  }

  /**
   * Lets a buffered partial message of the upstream pass, so that the client side knows that it is inside a message.
   */
  passBegun(): void {
    this.#pipes.upstream.passBegun()
  }

  /** Sends a side a ping or pong of our own. */
  control(side: Side, opcode: typeof OPCODE.PING | typeof OPCODE.PONG, payload: Buffer): Promise<boolean> {
    return this.#life.isEnded ? Promise.resolve(false) : this.#pipes.writerTo(side).control(opcode, payload)
  }

  /**
   * Sends the upstream a ping. When the pong arrives, all bytes that the upstream sent before reading the ping have
   * arrived.
   *
   * @param timeoutMs longest time to wait for the pong
   * @returns whether the pong came
   */
  fence(timeoutMs: number, payload: Buffer = encodeMask(nextMask())): Promise<boolean> {
    return this.#fence.ask(timeoutMs, payload)
  }

  /** Whether the upstream has ended without the client knowing. */
  get orphaned(): boolean {
    return this.#life.isOrphaned
  }

  /** Whether the client has begun any message since its handshake. */
  get clientHasSpoken(): boolean {
    return this.#pipes.client.hasBegun
  }

  /** The sweep in which the client last sent something. */
  get lastSeen(): number {
    return this.#flow.seen('client')
  }

  /**
   * Resolves when no earlier upstream is lingering. Until then the connection cannot be handed over again.
   *
   * @returns `false` on timeout
   */
  whenRetired(timeoutMs: number): Promise<boolean> {
    return this.#handover.whenRetired(timeoutMs)
  }

  /**
   * Continues with another upstream that has accepted the same handshake. The client's stream stops between two
   * messages. The old upstream, if still connected, is told and finishes its pending answers; then the new one takes
   * over. Late answers of the old upstream pass between messages of the new one for a limited time. Never throws.
   */
  handOver(next: Answered, times: HandOver): Promise<HandedOver> {
    return this.#handover.run(next, times)
  }

  /** Passes the end of the upstream to the client, because no other upstream is available. */
  giveUp(): void {
    this.#ending.giveUp()
  }

  /** Closes both sides: the client with this code and reason, the upstream with 1001, as if the client went away. */
  close(cause: Exclude<EndCause, Side>, code: number, reason: string): void {
    this.#ending.close(cause, code, reason)
  }

  /** Destroys both sockets at once, without a close handshake. */
  terminate(): void {
    this.#ending.terminate()
  }

  /** Enforces time limits; must be called once per step of the clock. */
  sweep(): void {
    if (this.#life.isOverdue) this.terminate()
    for (const side of SIDES) this.#traffic.count(side)
    if (this.#life.isEnded) return
    for (const side of SIDES) {
      if (!this.#pipes[side].stopped && !(this.orphaned && side === 'upstream')) this.#sweepSide(side)
    }
  }

  #sweepSide(side: Side): void {
    if (this.#holdsTooLong(side)) this.close('slow_message', CLOSE.TRY_AGAIN_LATER, 'message takes too long')
    const verdict = this.#flow.judge(side, this.#options)
    if (verdict === 'ping') this.#ping(side)
    else if (verdict === 'idle') this.close('idle', CLOSE.GOING_AWAY, 'idle timeout')
    else if (verdict === 'slow') this.close('slow_consumer', CLOSE.TRY_AGAIN_LATER, 'slow consumer')
  }

  /** Whether a side that we read takes too long to finish its message. */
  #holdsTooLong(side: Side): boolean {
    const { holdFor = 0 } = this.#options
    return !this.#flow.stops(side) && this.#pipes[side].age() > holdFor && holdFor > 0
  }

  #ping(side: Side): void {
    if (this.#fence.isWaiting && side === 'upstream') return
    const payload = encodeMask(nextMask())
    this.#pipes[side].expectPong(payload)
    void this.#pipes.writerTo(side).control(OPCODE.PING, payload)
  }

  /** Bytes of our memory held for this connection. */
  get heldBytes(): number {
    const { client, upstream } = this.#pipes
    return client.heldBytes + upstream.heldBytes + this.#use.charged
  }

  /** Adds memory that is taken elsewhere for messages of this connection; negative when it is released. */
  charge(bytes: number): void {
    this.#use.charge(bytes)
  }

  /** The sockets of this connection. */
  socket(side: Side): Socket {
    return this.#pipes[side].source
  }

  /**
   * While memory is short, stops reading a side also when the kernel holds too many bytes for the other side.
   *
   * @param unsent bytes that the kernel holds for each side and has not sent
   */
  restrain(unsent: Readonly<Record<Side, number>>): void {
    if (!this.#life.isEnded && !this.orphaned) this.#traffic.restrain(unsent)
  }

  /**
   * Closes the connection to free memory now. A side with a large backlog is reset, because a close frame would have to
   * wait behind it; the other side gets a close frame.
   *
   * @param inKernel bytes that the kernel holds for each side's socket
   */
  evict(inKernel: Readonly<Record<Side, number>>): void {
    this.#ending.evict(inKernel)
  }
}
