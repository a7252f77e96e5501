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
 * Joins an accepted and a dialled connection: bytes pass both ways as they came, and with them messages, pings, close codes and
 * the ends of the connections; a side that reads slowly stops the reading of the other. Messages of others can be put into
 * either side between two messages.
 *
 * This narrow surface is all that sidecar and balancer know of a connection. Its parts own one state each.
 */
export class Bridge<C = unknown> {
  /** What the owner of the connection wants to remember with it. */
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
   * Takes over both sockets, which must be paused. Nothing passes before `start`.
   *
   * @param early what each has sent already, after its handshake
   * @param answer the head that accepts the client
   * @param extras what other connections need not have
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

  /** Begins to pass what both sides send, first what they have sent already. */
  start(): void {
    const early = this.#early
    this.#early = undefined
    for (const side of SIDES) {
      if (early && early[side].length > 0) this.#traffic.receive(side, early[side])
      this.#traffic.regulate(side)
      // It may have gone, or ended its side, before the bridge listened.
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

  /** Bytes that wait to be written to a side. */
  queuedBytes(side: Side): number {
    return this.#pipes[OTHER[side]].queuedBytes
  }

  /**
   * Writes a message to one side, as if the other side had sent it.
   *
   * @param limit bytes that may wait for the side, this message included
   * @returns when the kernel has it, or at once when it cannot be written
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

  /** Whether the upstream sends no more: what it is still sent, it does not act on, though its kernel may take it. */
  get #upstreamEnded(): boolean {
    const { source, closedBySource } = this.#pipes.upstream
    return this.orphaned || closedBySource || source.readableEnded || source.destroyed
  }

  /** Stops reading a side until `release` was called as often: what it sent is being worked on and must not pile up. */
  hold(side: Side): void {
    this.#traffic.hold(side)
  }

  release(side: Side): void {
    this.#traffic.release(side)
  }

  /** The part of a message of the upstream that waits for the rest passes: the other end must know that it is within one. */
  passBegun(): void {
    this.#pipes.upstream.passBegun()
  }

  /** Sends a side a ping or a pong of ours. */
  control(side: Side, opcode: typeof OPCODE.PING | typeof OPCODE.PONG, payload: Buffer): Promise<boolean> {
    return this.#life.isEnded ? Promise.resolve(false) : this.#pipes.writerTo(side).control(opcode, payload)
  }

  /**
   * Sends the upstream a ping. All that it had sent before it read that has come when this resolves.
   *
   * @param timeoutMs longest time to wait for its pong
   * @returns whether the pong came
   */
  fence(timeoutMs: number, payload: Buffer = encodeMask(nextMask())): Promise<boolean> {
    return this.#fence.ask(timeoutMs, payload)
  }

  /** Whether the upstream has ended, and the client does not know. */
  get orphaned(): boolean {
    return this.#life.isOrphaned
  }

  /** Sweep in which the client was last heard of. */
  get lastSeen(): number {
    return this.#flow.seen('client')
  }

  /**
   * Resolves when no earlier upstream has anything to say any more; before that the connection cannot be handed over again.
   *
   * @returns `false` when that takes too long
   */
  whenRetired(timeoutMs: number): Promise<boolean> {
    return this.#handover.whenRetired(timeoutMs)
  }

  /**
   * Goes on with another upstream, which has accepted the same handshake. The client's stream stops between two messages, the old
   * upstream, if it is still there, is told and has answered what it had, and only then the new one takes over; what the old
   * one still sends passes between the messages of the new one, for a while. Never throws.
   */
  handOver(next: Answered, times: HandOver): Promise<HandedOver> {
    return this.#handover.run(next, times)
  }

  /** Passes on how the upstream has ended: there is no other. */
  giveUp(): void {
    this.#ending.giveUp()
  }

  /** Closes both sides: the client with this code and reason, the upstream as a client that goes away. */
  close(cause: Exclude<EndCause, Side>, code: number, reason: string): void {
    this.#ending.close(cause, code, reason)
  }

  /** Ends both sockets at once, without a close handshake. */
  terminate(): void {
    this.#ending.terminate()
  }

  /** Looks after a connection that has a limit in time; to be called once for every step of the clock. */
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

  /** Whether a side is read and does not end its message. */
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

  /** What is held in our memory because of this connection, in bytes. */
  get heldBytes(): number {
    const { client, upstream } = this.#pipes
    return client.heldBytes + upstream.heldBytes + this.#use.charged
  }

  /** Memory for messages of this connection is taken elsewhere, or given back: it counts as held by the connection. */
  charge(bytes: number): void {
    this.#use.charge(bytes)
  }

  /** The sockets of this connection. */
  socket(side: Side): Socket {
    return this.#pipes[side].source
  }

  /**
   * While memory is short: a side is not read while the kernel holds too much for the other one, too.
   *
   * @param unsent bytes that the kernel has for each side, and has not sent
   */
  restrain(unsent: Readonly<Record<Side, number>>): void {
    if (!this.#life.isEnded && !this.orphaned) this.#traffic.restrain(unsent)
  }

  /**
   * Closes the connection because memory is needed now. A side for which much is held could be told only after that, so it is cut
   * off; the other one is told.
   *
   * @param inKernel bytes that the kernel holds for each side's socket
   */
  evict(inKernel: Readonly<Record<Side, number>>): void {
    this.#ending.evict(inKernel)
  }
}
