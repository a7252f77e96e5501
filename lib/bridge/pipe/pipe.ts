import type { Socket } from 'node:net'
import { FrameReader } from '../../websocket/frames.ts'
import type { Direction, Message } from '../../websocket/message.ts'
import { FrameWalk } from './frame-walk.ts'
import { Injector } from './injector.ts'
import type { ListenerOf, PipeOptions } from './pipe-options.ts'
import { PipeWriter } from './pipe-writer.ts'
import { StopPoint } from './stop-point.ts'
import { StreamPosition } from './stream-position.ts'
import { AddressTap } from './taps/address-tap.ts'
import { ControlTap } from './taps/control-tap.ts'
import { WholeMessageWriter } from './whole-messages.ts'

export type PipeListener = ListenerOf<Pipe>

const FALSE = Promise.resolve(false)

/**
 * One direction of a bridged connection. Bytes pass unchanged from one socket to the other; only frame headers are
 * read, to find message boundaries. Only text messages that may be addressed are held until their end.
 */
export class Pipe {
  readonly direction: Direction
  readonly source: Socket
  listener: PipeListener
  readonly #writer: PipeWriter
  readonly #position: StreamPosition
  readonly #stops: StopPoint<Pipe>
  readonly #injector: Injector
  readonly #whole: WholeMessageWriter | undefined
  readonly #controls: ControlTap<Pipe>
  readonly #addressed: AddressTap<Pipe> | undefined
  readonly #walk: FrameWalk<Pipe>

  constructor(direction: Direction, source: Socket, target: Socket, listener: PipeListener, options: PipeOptions) {
    const isInbound = direction === 'inbound'
    const { find, whole: limits, secret, first } = options
    this.direction = direction
    this.source = source
    this.listener = listener
    const reader = new FrameReader(isInbound, options.maxMessageBytes)
    const writer = new PipeWriter(target)
    const injector = new Injector(writer, isInbound)
    const stops = new StopPoint<Pipe>(this, writer)
    const whole = limits && new WholeMessageWriter(reader, writer, limits)
    const controls = new ControlTap<Pipe>(this, reader, writer, whole, secret)
    const addressed = find && new AddressTap<Pipe>(this, reader, writer, find)
    const position = new StreamPosition(reader, addressed, whole)
    this.#writer = writer
    this.#position = position
    this.#stops = stops
    this.#injector = injector
    this.#whole = whole
    this.#controls = controls
    this.#addressed = addressed
    const parts = { pipe: this, reader, writer, position, stops, injector, whole, controls, addressed, first }
    this.#walk = new FrameWalk<Pipe>(parts)
  }

  get target(): Socket {
    return this.#writer.target
  }

  set target(target: Socket) {
    this.#writer.target = target
  }

  /** Whether the stream has stopped at a place between two messages. */
  get stopped(): boolean {
    return this.#stops.stopped
  }

  /** Whether the source's close frame was read: it sends nothing more. */
  get closedBySource(): boolean {
    return this.#controls.closed
  }

  /** Whether the stream to the target is between two messages: the target has no partial message. */
  get betweenMessages(): boolean {
    return this.#position.betweenMessages
  }

  /** Whether the source has begun any message. */
  get hasBegun(): boolean {
    return this.#position.hasBegun
  }

  /** Bytes waiting to be written to the target, including the overhead per write. */
  get queuedBytes(): number {
    return this.#writer.queuedBytes + this.#injector.bytes
  }

  /** Bytes that arrived after the pipe stopped. */
  get stashedBytes(): number {
    return this.#stops.bytes
  }

  /** Bytes of our memory held for this stream. */
  get heldBytes(): number {
    return this.queuedBytes + this.stashedBytes + (this.#addressed?.bytes ?? 0) + (this.#whole?.bytes ?? 0)
  }

  /** Calls back when the kernel has all bytes that wait now, or when they can no longer be written. */
  whenWritten(done: () => void): void {
    this.#writer.whenWritten(done)
  }

  /**
   * Takes a chunk of the source; the chunk need not stay valid after the call.
   *
   * @returns `false` when the target is full: the source must not be read until it has drained
   */
  push(chunk: Buffer): boolean {
    this.#walk.push(chunk)
    return !this.#writer.target.writableNeedDrain
  }

  /**
   * Stops the stream at the next place between two messages and tells the listener, possibly at once. The source should
   * not be read from then on. Has no effect on a stream that cannot be parsed.
   */
  stop(): void {
    const stops = this.#stops
    if (stops.stopped || stops.stopping || this.#position.opaque) return
    stops.stopping = true
    if (this.#position.atEnd) stops.stopHere(undefined)
  }

  /**
   * Continues after a stop, or cancels it.
   *
   * @returns as {@link push}
   */
  go(): boolean {
    this.#stops.clear()
    this.#pushStash()
    return !this.#writer.target.writableNeedDrain
  }

  #pushStash(): void {
    const chunks = this.#stops.take()
    this.#writer.lent = false
    for (const chunk of chunks) this.push(chunk)
    this.#writer.lent = true
  }

  /** Takes no further message until {@link resume}; bytes that the source has already sent wait here. */
  pause(): void {
    this.#stops.paused = true
  }

  /** Continues after a pause. A stop remains. */
  resume(): void {
    this.#stops.paused = false
    if (!this.#stops.stopped) this.#pushStash()
  }

  /** The source sends no more: held bytes pass, so that the target sees as much as it would without us. */
  finish(): void {
    while (this.#stops.bytes > 0 && !this.#stops.stopped) this.resume()
    this.#addressed?.pass()
    this.#whole?.passPartial()
    this.#controls.passRest()
    this.#walk.passRest()
    this.abandon()
  }

  /** Lets a buffered partial message pass, so that the target knows that it is inside a message. */
  passBegun(): void {
    this.#whole?.passBegun()
  }

  /** No further bytes pass, and all waiting frames are given up. */
  abandon(): void {
    this.#writer.ended = true
    this.#addressed?.release()
    this.#whole?.drop()
    this.#injector.dismiss()
  }

  /**
   * Injects a message of another source at the next place between two messages.
   *
   * @returns resolves when the kernel has it; `false` if it cannot be written
   */
  inject(message: Message): Promise<boolean> {
    return this.#position.opaque ? FALSE : this.#injector.message(message, this.#position.betweenMessages)
  }

  /**
   * Injects a ping or pong of our own at the next place between two frames.
   *
   * @returns as {@link inject}
   */
  control(opcode: number, payload: Buffer): Promise<boolean> {
    return this.#position.opaque ? FALSE : this.#injector.control(opcode, payload, this.#position.betweenFrames)
  }

  /** The next pong with this payload is taken out of the stream, once. */
  expectPong(payload: Buffer): void {
    this.#controls.expectPong(payload)
  }

  /** Lets the source's close frame pass, which the listener has held back; {@link go} passes the bytes after it. */
  passClose(): void {
    this.#controls.passClose()
  }

  /** Ends the stream with our own close frame at the next place between two frames; later bytes are dropped. */
  close(payload: Buffer): void {
    if (this.#writer.ended || this.#injector.isClosing) return
    this.#injector.close(payload)
    const isHere = this.#position.opaque || this.#position.betweenFrames
    this.#addressed?.release()
    if (!isHere) return
    this.#injector.writeClose()
    this.abandon()
  }

  /** A step of the clock in which the source is read. @returns the number of steps for which a message has been held */
  age(): number {
    this.#whole?.age()
    return this.#addressed?.age() ?? 0
  }
}
