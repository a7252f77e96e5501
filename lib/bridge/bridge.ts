import type { Socket } from 'node:net'
import { LEAST_HOLDING_BYTES } from '../service/memory/policy.ts'
import type { Unparsed } from '../websocket/addressing/address-finder.ts'
import { CLOSE } from '../websocket/close-codes.ts'
import type { FirstText } from '../websocket/first-message.ts'
import { encodeClose, encodeFrame, OPCODE } from '../websocket/frames.ts'
import { encodeMask, nextMask } from '../websocket/mask.ts'
import type { Direction, Message } from '../websocket/message.ts'
import type { BridgeEnd, BridgeState, EndCause, Extras, OptionsOf, SendResult } from './bridge-options.ts'
import { Waits } from './condition-waiters.ts'
import { Flow } from './flow-control.ts'
import { type HandedOver, type Handing, type HandOver, handOver } from './handover.ts'
import { type Floor, Retiring } from './lingering-upstream.ts'
import { Pipe, type PipeListener } from './pipe/pipe.ts'
import { depart } from './socket/closing.ts'
import type { Answered } from './socket/dial.ts'
import { attach, type Side, type SocketOwner } from './socket/socket-handler.ts'
import { adopt, bury, endOf, finish, lossOf, OPEN, type Orphaning, orphan, stateOf } from './state.ts'

export type * from './bridge-options.ts'
export type BridgeOptions<C = unknown> = OptionsOf<Bridge<C>>
export type { HandedOver, HandOver } from './handover.ts'
export type { Side } from './socket/socket-handler.ts'

/** Sweeps for what is left when one side has ended, or when we have closed both. */
const CLOSE_SWEEPS = 10

const SIDES = ['client', 'upstream'] as const
const OTHER = { client: 'upstream', upstream: 'client' } as const
const FROM = { inbound: 'client', outbound: 'upstream' } as const

/**
 * Joins an accepted and a dialled connection: bytes pass both ways as they came, and with them messages, pings, close codes and
 * the ends of the connections; a side that reads slowly stops the reading of the other. Messages of others can be put into
 * either side between two messages.
 *
 * This narrow surface is all that sidecar and balancer know of a connection.
 */
export class Bridge<C = unknown> implements PipeListener, SocketOwner, Floor {
  /** What the owner of the connection wants to remember with it. */
  readonly context: C
  readonly #options: BridgeOptions<C>
  /** By the side that they read. */
  readonly #pipes: Record<Side, Pipe>
  readonly #extras: Extras | undefined
  readonly #flow: Flow
  /** What the budget has been told of, by the side whose bytes they are. */
  readonly #counted = { client: 0, upstream: 0 }
  /** What of a side's bytes the kernel may hold for the other one: as it last told, and what has passed since. */
  readonly #unsent = { client: 0, upstream: 0 }
  /** What is held elsewhere because of this connection. */
  #charged = 0
  #life = OPEN
  #openSides = 2
  /** Sweep in which what is left is cut off. */
  #deadline = Number.POSITIVE_INFINITY
  #early: Readonly<Record<Side, Buffer>> | undefined
  #waiters: (() => void)[] | undefined
  /** Nothing is kept from the client any more. */
  #final = false
  #moving = false
  #retiring: Retiring | undefined
  #ponged = false
  /** The next pong of the upstream is the answer to a fence. */
  #fencing = false
  readonly #waits = new Waits()

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
    this.context = context
    this.#options = options
    this.#extras = extras
    this.#flow = new Flow(options.clock)
    this.#early = early
    this.#pipes = {
      client: this.#pipe('inbound', client, upstream, extras?.first),
      upstream: this.#pipe('outbound', upstream, client),
    }
    attach(client, this, 'client')
    attach(upstream, this, 'upstream')
    if (client.writable) client.write(answer)
  }

  #pipe(direction: Direction, source: Socket, target: Socket, first?: FirstText): Pipe {
    const { maxMessageBytes, find, whole } = this.#options
    const secret = this.#extras?.secret?.[FROM[direction]]
    return new Pipe(direction, source, target, this, {
      maxMessageBytes,
      find: find?.[direction],
      secret,
      whole: whole?.[direction],
      first,
    })
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
    return stateOf(this.#life)
  }

  get #isEnded(): boolean {
    return endOf(this.#life) !== undefined
  }

  /** Whether it was we who ended the connection: then each side answers us, not the other one. */
  get #isClosing(): boolean {
    return this.#life.is === 'closing'
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
    const pipe = this.#writerTo(side)
    const queued = pipe.queuedBytes
    if (this.#isEnded || (side === 'upstream' && this.#upstreamEnded)) return 'closed'
    const { queueLimit, isFull, tight } = this.#options.memory
    const most = tight ? Math.min(limit, queueLimit) : limit
    if (isFull || (queued > 0 && queued + message.data.length > most)) return 'full'
    const written = pipe.inject(message)
    this.#count(OTHER[side])
    this.#options.memory.passed(message.data.length)
    const sent = await written
    this.#count(OTHER[side])
    return sent ? 'sent' : 'closed'
  }

  /** The pipe that writes to a side now: an upstream that retires may be in the middle of a message to the client. */
  #writerTo(side: Side): Pipe {
    const retiring = side === 'client' ? this.#retiring : undefined
    return retiring?.speaking ? retiring.pipe : this.#pipes[OTHER[side]]
  }

  /** Whether the upstream sends no more: what it is still sent, it does not act on, though its kernel may take it. */
  get #upstreamEnded(): boolean {
    const { source, closedBySource } = this.#pipes.upstream
    return this.orphaned || closedBySource || source.readableEnded || source.destroyed
  }

  /** Stops reading a side until `release` was called as often: what it sent is being worked on and must not pile up. */
  hold(side: Side): void {
    this.#flow.hold(side)
    // Of what was read with this message, nothing more is taken either: a chunk can have thousands of messages in it.
    this.#pipes[side].pause()
    this.#regulate(side)
  }

  release(side: Side): void {
    this.#flow.release(side)
    // Later: whoever releases may be in the middle of dealing with the message before.
    queueMicrotask(() => {
      if (this.#flow.isHeld(side)) return
      this.#pipes[side].resume()
      this.#fill(side)
      this.#regulate(side)
    })
  }

  /** The part of a message of the upstream that waits for the rest passes: the other end must know that it is within one. */
  passBegun(): void {
    this.#pipes.upstream.passBegun()
  }

  /** Sends a side a ping or a pong of ours. */
  control(side: Side, opcode: typeof OPCODE.PING | typeof OPCODE.PONG, payload: Buffer): Promise<boolean> {
    return this.#isEnded ? Promise.resolve(false) : this.#writerTo(side).control(opcode, payload)
  }

  /**
   * Sends the upstream a ping. All that it had sent before it read that has come when this resolves.
   *
   * @param timeoutMs longest time to wait for its pong
   * @returns whether the pong came
   */
  async fence(timeoutMs: number, payload: Buffer = encodeMask(nextMask())): Promise<boolean> {
    // One at a time: each waits for its own pong.
    if (this.#fencing) await this.#until(() => !this.#fencing, timeoutMs)
    if (this.#life.is !== 'open' || this.#fencing) return false
    this.#ponged = false
    this.#fencing = true
    this.#pipes.upstream.expectPong(payload)
    void this.#pipes.client.control(OPCODE.PING, payload)
    await this.#until(() => this.#ponged || this.orphaned, timeoutMs)
    this.#fencing = false
    this.#waits.wakeUp()
    return this.#ponged
  }

  /** Whether the upstream has ended, and the client does not know. */
  get orphaned(): boolean {
    return this.#life.is === 'orphaned'
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
  async whenRetired(timeoutMs: number): Promise<boolean> {
    await this.#until(() => !this.#retiring, timeoutMs)
    return !this.#retiring
  }

  /**
   * Goes on with another upstream, which has accepted the same handshake. The client's stream stops between two messages, the old
   * upstream, if it is still there, is told and has answered what it had, and only then the new one takes over; what the old
   * one still sends passes between the messages of the new one, for a while. Never throws.
   */
  async handOver(next: Answered, times: HandOver): Promise<HandedOver> {
    if (this.#isEnded || this.#moving || this.#retiring) {
      depart(next.socket)
      return this.#isEnded ? 'gone' : 'busy'
    }
    this.#moving = true
    const result = await handOver(this.#handing, next, times)
    this.#moving = false
    return result
  }

  get #handing(): Handing {
    const { client: inbound, upstream: outbound } = this.#pipes
    return {
      inbound,
      outbound,
      isLost: () => this.orphaned,
      isEnded: () => this.#isEnded,
      until: (condition, timeoutMs) => this.#until(condition, timeoutMs),
      fence: (timeoutMs, payload) => this.fence(timeoutMs, payload),
      tell: payload => void this.control('upstream', OPCODE.PING, payload),
      resume: () => this.#resume(),
      change: (...change) => this.#switch(...change),
    }
  }

  /** Takes a stop back; an orphan stays stopped. */
  #resume(): void {
    if (!this.orphaned) this.#go('client')
    this.#go('upstream')
  }

  #go(side: Side): void {
    this.#pipes[side].go()
    this.#fill(side)
    this.#regulate(side)
  }

  #switch({ socket, rest }: Answered, lingerMs: number, welcome: Buffer | undefined): void {
    const { orphaned } = this
    const { client: inbound, upstream: outbound } = this.#pipes
    this.#life = adopt(this.#life)
    this.#flow.empty('client')
    this.#flow.empty('upstream')
    inbound.target = socket
    outbound.resume()
    this.#pipes.upstream = this.#pipe('outbound', socket, inbound.source)
    this.#flow.heard('upstream')
    attach(socket, this, 'upstream')
    if (welcome) socket.write(encodeFrame(OPCODE.PING, welcome, nextMask()))
    const hello = this.#extras?.first?.payload
    if (hello) socket.write(encodeFrame(OPCODE.TEXT, hello, nextMask()))
    if (orphaned) {
      // Nobody can complete what it had begun to say.
      outbound.abandon()
      depart(outbound.source)
    } else this.#retiring = new Retiring(outbound, this, lingerMs)
    if (rest.length > 0) this.receive('upstream', rest)
    this.#go('client')
    this.#regulate('upstream')
    this.#retiring?.start()
  }

  /** Passes on how the upstream has ended: there is no other. */
  giveUp(): void {
    const loss = this.#revealed()
    if (loss) this.#passOn(loss)
  }

  /** How the upstream has ended, if the client is now to learn it. */
  #revealed(): Orphaning | undefined {
    const loss = lossOf(this.#life)
    this.#life = adopt(this.#life)
    return loss
  }

  #passOn(loss: Orphaning): void {
    this.#final = true
    if (!this.#isEnded) this.#go('client')
    if (loss.closed) {
      this.#finish('upstream', loss.code)
      this.#pipes.upstream.passClose()
      this.#go('upstream')
      this.#hurry()
    }
    if (loss.gone) this.gone('upstream')
    else if (loss.ended) this.ended('upstream')
  }

  /** Unless it has ended before. */
  #finish(cause: EndCause, code: number, reason = ''): void {
    this.#life = finish(this.#life, { cause, code, reason })
    this.#waits.wakeUp()
  }

  request(): void {
    this.#pipes.upstream.stop()
  }

  yield(): void {
    this.#go('upstream')
    if (this.#retiring?.waits) this.request()
  }

  retired(midMessage: boolean): void {
    this.#retiring = undefined
    if (midMessage) this.terminate()
    else this.yield()
    this.#waits.wakeUp()
  }

  onStopped(pipe: Pipe): void {
    if (pipe === this.#pipes.upstream) this.#retiring?.speak()
    this.#regulate(FROM[pipe.direction])
    this.#waits.wakeUp()
  }

  onControl(_pipe: Pipe, payload: Buffer): void {
    this.#options.onControl?.(this, payload)
  }

  onPong(pipe: Pipe): void {
    // The client's pong, or an earlier upstream's, says nothing of what this upstream has read.
    if (pipe !== this.#pipes.upstream || !this.#fencing) return
    this.#ponged = true
    this.#waits.wakeUp()
  }

  #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#waits.until(() => condition() || this.#isEnded, timeoutMs)
  }

  /** Closes both sides: the client with this code and reason, the upstream as a client that goes away. */
  close(cause: Exclude<EndCause, Side>, code: number, reason: string): void {
    this.#shut({ cause, code, reason }, CLOSE.GOING_AWAY)
  }

  /** Looks after a connection that has a limit in time; to be called once for every step of the clock. */
  sweep(): void {
    if (this.#options.clock.now >= this.#deadline) this.terminate()
    for (const side of SIDES) this.#count(side)
    if (this.#isEnded) return
    for (const side of SIDES) {
      if (this.#pipes[side].stopped || (this.orphaned && side === 'upstream')) continue
      if (this.#holdsTooLong(side)) this.close('slow_message', CLOSE.TRY_AGAIN_LATER, 'message takes too long')
      const verdict = this.#flow.judge(side, this.#options)
      if (verdict === 'ping') this.#ping(side)
      else if (verdict === 'idle') this.close('idle', CLOSE.GOING_AWAY, 'idle timeout')
      else if (verdict === 'slow') this.close('slow_consumer', CLOSE.TRY_AGAIN_LATER, 'slow consumer')
    }
  }

  /** Whether a side is read and does not end its message. */
  #holdsTooLong(side: Side): boolean {
    const { holdFor = 0 } = this.#options
    return !this.#flow.stops(side) && this.#pipes[side].age() > holdFor && holdFor > 0
  }

  #ping(side: Side): void {
    if (this.#fencing && side === 'upstream') return
    const payload = encodeMask(nextMask())
    this.#pipes[side].expectPong(payload)
    void this.#writerTo(side).control(OPCODE.PING, payload)
  }

  /** Ends both sockets at once, without a close handshake. */
  terminate(): void {
    const loss = this.#revealed()
    this.#finish('terminated', CLOSE.ABNORMAL)
    this.#pipes.client.source.destroy()
    this.#pipes.upstream.source.destroy()
    this.#retiring?.end()
    if (loss) this.#passOn(loss)
  }

  takes(pipe: Pipe, recipient: string): boolean {
    return this.#options.takes?.(this, pipe.direction, recipient) ?? false
  }

  onAddressed(pipe: Pipe, recipient: string, message: Message): void {
    this.#options.onAddressed?.(this, pipe.direction, recipient, message)
  }

  onUnparsed(pipe: Pipe, why: Unparsed): void {
    this.#options.onUnparsed?.(this, pipe.direction, why)
  }

  onNoRoom(): void {
    this.close('no_room', CLOSE.TRY_AGAIN_LATER, 'no room for this message')
  }

  onCloseFrame(pipe: Pipe, payload: Buffer): boolean {
    const side = FROM[pipe.direction]
    if (this.#isClosing) {
      // It has answered our close frame, or its own has crossed ours: either way this connection is done.
      pipe.source.end()
      return false
    }
    const code = payload.length < 2 ? CLOSE.NO_STATUS : payload.readUInt16BE(0)
    if (side === 'upstream' && this.#lose(code, true)) return false
    const loss = this.#revealed()
    this.#finish(side, code, payload.toString('utf8', 2))
    this.#hurry()
    // A client that closes needs no other upstream.
    if (loss) this.#passOn(loss)
    return true
  }

  /** Whether the end of the upstream is kept from the client. */
  #lose(code: number, closed: boolean): boolean {
    if (this.orphaned) return true
    if (this.#final || this.#isEnded || !this.#options.onLost) return false
    // First: whoever is told may hand the connection over at once.
    this.#life = orphan(this.#life, { code, closed, ended: false, gone: false })
    const midMessage = !this.#pipes.upstream.betweenMessages
    if (!this.#options.onLost(this, { code, midMessage })) {
      this.#life = adopt(this.#life)
      this.#final = true
      return false
    }
    this.#flow.empty('client')
    this.#pipes.client.stop()
    this.#regulate('client')
    this.#waits.wakeUp()
    return true
  }

  /** Whether what has become of the upstream's socket is kept from the client too. */
  #kept(what: 'ended' | 'gone'): boolean {
    if (this.#isClosing || !this.#lose(CLOSE.ABNORMAL, false)) return false
    const loss = lossOf(this.#life)
    if (loss) loss[what] = true
    return loss !== undefined
  }

  onTooBig(pipe: Pipe): void {
    this.#shut({ cause: 'too_big', code: CLOSE.TOO_BIG, reason: 'message too big' }, CLOSE.TOO_BIG)
    // Its answer is somewhere behind bytes that nobody reads any more.
    pipe.source.end()
  }

  /** Of the sockets' events only. */
  receive(side: Side, chunk: Buffer): void {
    this.#flow.heard(side)
    const { length } = chunk
    this.#pipes[side].push(chunk)
    this.#unsent[side] += length
    if (this.#count(side) > 0 || this.#options.memory.tight) this.#fill(side)
    // Last, because it may close this connection.
    this.#options.memory.passed(length)
  }

  /** Tells the budget what of a side's bytes waits to be written; returns it. */
  #count(side: Side): number {
    // What a socket that is gone still says of its queue is nobody's memory.
    if (this.#openSides === 0) return 0
    const { queuedBytes, stashedBytes } = this.#pipes[side]
    const bytes = queuedBytes + stashedBytes
    if (bytes !== this.#counted[side]) {
      this.#options.memory.queues.change(bytes - this.#counted[side])
      this.#counted[side] = bytes
    }
    return queuedBytes
  }

  #release(side: Side): void {
    this.#options.memory.queues.change(-this.#counted[side])
    this.#counted[side] = 0
  }

  #fill(side: Side): void {
    const pipe = this.#pipes[side]
    const { tight, queueLimit } = this.#options.memory
    if (pipe.queuedBytes + (tight ? this.#unsent[side] : 0) < queueLimit) return
    // Nobody reads any more: the rest of a message may as well be dropped.
    if (this.orphaned && side === 'client') return
    if (!this.#flow.fill(side)) return
    this.#regulate(side)
    if (pipe.queuedBytes === 0) return
    // Of many small pieces below its mark, a socket does not say by itself that they are written.
    if (!pipe.target.writableNeedDrain) pipe.whenWritten(() => this.drained(OTHER[side]))
  }

  drained(side: Side): void {
    // Who is being sent something large has nothing to say, and no place for a ping.
    this.#flow.heard(side)
    if (side === 'client') this.#retiring?.resume()
    const other = OTHER[side]
    this.#count(other)
    if (this.#flow.empty(other)) this.#regulate(other)
  }

  /** What is held in our memory because of this connection, in bytes. */
  get heldBytes(): number {
    const { client, upstream } = this.#pipes
    return client.heldBytes + upstream.heldBytes + this.#charged
  }

  /** Memory for messages of this connection is taken elsewhere, or given back: it counts as held by the connection. */
  charge(bytes: number): void {
    this.#charged += bytes
    this.#options.memory.messages.change(bytes)
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
    if (this.#isEnded || this.orphaned) return
    const { queueLimit } = this.#options.memory
    for (const side of SIDES) {
      this.#unsent[side] = unsent[OTHER[side]]
      const queued = this.#pipes[side].queuedBytes
      const all = queued + this.#unsent[side]
      const changed =
        all >= queueLimit ? this.#flow.fill(side) : queued === 0 && all <= queueLimit / 2 && this.#flow.empty(side)
      if (changed) this.#regulate(side)
    }
  }

  /**
   * Closes the connection because memory is needed now. A side for which much is held could be told only after that, so it is cut
   * off; the other one is told.
   *
   * @param inKernel bytes that the kernel holds for each side's socket
   */
  evict(inKernel: Readonly<Record<Side, number>>): void {
    const held = { client: this.#pipes.upstream.queuedBytes, upstream: this.#pipes.client.queuedBytes }
    this.close('memory', CLOSE.TRY_AGAIN_LATER, 'out of memory')
    for (const side of SIDES) {
      // Without a reset the kernel would keep what it has for a reader who does not come.
      if (held[side] + inKernel[side] >= LEAST_HOLDING_BYTES) this.#pipes[side].source.resetAndDestroy()
    }
  }

  ended(side: Side): void {
    if (side === 'upstream' && this.#kept('ended')) return
    // An upstream that ends its side without a close frame acts on nothing any more, however long the client takes to go.
    if (side === 'upstream') this.#finish(side, CLOSE.ABNORMAL)
    const pipe = this.#pipes[side]
    pipe.finish()
    // Ours to close, each on its own, where we have ended both; else the other side learns of it as it happened.
    if (this.#isClosing) pipe.source.end()
    else pipe.target.end()
    this.#hurry()
  }

  gone(side: Side): void {
    if (side === 'upstream' && this.#kept('gone')) return
    const loss = this.#revealed()
    this.#finish(side, CLOSE.ABNORMAL)
    if (loss) this.#passOn(loss)
    this.#openSides--
    this.#pipes[OTHER[side]].abandon()
    this.#retiring?.end()
    this.#retiring = undefined
    if (this.#openSides > 0) {
      this.#pipes[side].finish()
      // What it had sent still reaches the other side, and then the end; unless we have told both to end by themselves.
      if (!this.#isClosing) this.#pipes[side].target.destroySoon()
      this.#hurry()
      return
    }
    this.#life = bury(this.#life)
    for (const side of SIDES) this.#release(side)
    const end = endOf(this.#life)
    if (end) this.#options.onClosed?.(this, end)
    for (const resolve of this.#waiters ?? []) resolve()
  }

  #shut(end: BridgeEnd, upstreamCode: number): void {
    if (this.#isEnded) return
    const loss = this.#revealed()
    this.#finish(end.cause, end.code, end.reason)
    // No close frame can be put into the middle of a frame of the upstream that retires.
    if (this.#retiring?.speaking) this.terminate()
    else this.#closeBoth(end, upstreamCode)
    if (loss) this.#passOn(loss)
  }

  #closeBoth(end: BridgeEnd, upstreamCode: number): void {
    this.#retiring?.end()
    this.#pipes.upstream.close(encodeClose(end.code, end.reason))
    this.#pipes.client.close(encodeClose(upstreamCode))
    // Not kept for another upstream any more: the answers are in it.
    for (const side of SIDES) this.#pipes[side].go()
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
    const stop = this.#flow.stops(side) || this.#pipes[side].stopped
    // When we have closed, the source is read whatever happens: its answer has to be seen.
    if (stop && !this.#isClosing) source.pause()
    else source.resume()
  }
}
