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
 * One direction of a bridged connection: bytes go from one socket to the other as they came; only the headers of frames are
 * read, to know where messages begin and end. Where messages may be addressed, a text message that could be is held until its
 * end, and nothing else is.
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

  /** Whether nothing passes, at a place between two messages. */
  get stopped(): boolean {
    return this.#stops.stopped
  }

  /** Whether the source's close frame was read: it sends nothing more. */
  get closedBySource(): boolean {
    return this.#controls.closed
  }

  /** Whether the stream to the target is between two messages: nothing of one has passed without the rest. */
  get betweenMessages(): boolean {
    return this.#position.betweenMessages
  }

  /** Bytes that wait to be written to the target, with what it costs that they are in pieces. */
  get queuedBytes(): number {
    return this.#writer.queuedBytes + this.#injector.bytes
  }

  /** Bytes that came after the place where the pipe has stopped. */
  get stashedBytes(): number {
    return this.#stops.bytes
  }

  /** Bytes that are in our memory because of this stream. */
  get heldBytes(): number {
    return this.queuedBytes + this.stashedBytes + (this.#addressed?.bytes ?? 0) + (this.#whole?.bytes ?? 0)
  }

  /** Calls back when all that waits to be written now is with the kernel, or will never be. */
  whenWritten(done: () => void): void {
    this.#writer.whenWritten(done)
  }

  /**
   * Takes what the source has sent; the chunk need not stay as it is.
   *
   * @returns `false` when the target is full: the source must not be read before it has drained
   */
  push(chunk: Buffer): boolean {
    this.#walk.push(chunk)
    return !this.#writer.target.writableNeedDrain
  }

  /**
   * Passes nothing from the next place between two messages on, and tells the listener when that has come, maybe at once. The
   * source should not be read from then on. Has no effect on a stream that cannot be read.
   */
  stop(): void {
    const stops = this.#stops
    if (stops.stopped || stops.stopping || this.#position.opaque) return
    stops.stopping = true
    if (this.#position.atEnd) stops.stopHere(undefined)
  }

  /**
   * Goes on after a stop, or takes it back.
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

  /** Takes no further message until {@link resume}: what the source has sent already waits here. */
  pause(): void {
    this.#stops.paused = true
  }

  /** Goes on after a pause. A stop stays. */
  resume(): void {
    this.#stops.paused = false
    if (!this.#stops.stopped) this.#pushStash()
  }

  /** The source sends no more: what was held back of it passes, so that the target sees as much as it would without us. */
  finish(): void {
    while (this.#stops.bytes > 0 && !this.#stops.stopped) this.resume()
    this.#addressed?.pass()
    this.#whole?.passPartial()
    this.#controls.passRest()
    this.#walk.passRest()
    this.abandon()
  }

  /** The part that has come of a message passes, so that the target knows that it is within one. */
  passBegun(): void {
    this.#whole?.passBegun()
  }

  /** Nothing passes any more, and whatever waits for its place is told so. */
  abandon(): void {
    this.#writer.ended = true
    this.#addressed?.release()
    this.#whole?.drop()
    this.#injector.dismiss()
  }

  /**
   * Puts a message of another source into the stream, at the next place between two messages.
   *
   * @returns when the kernel has it; `false` when it cannot be written
   */
  inject(message: Message): Promise<boolean> {
    return this.#position.opaque ? FALSE : this.#injector.message(message, this.#position.betweenMessages)
  }

  /**
   * Puts a ping or a pong of ours into the stream, at the next place between two frames.
   *
   * @returns as {@link inject}
   */
  control(opcode: number, payload: Buffer): Promise<boolean> {
    return this.#position.opaque ? FALSE : this.#injector.control(opcode, payload, this.#position.betweenFrames)
  }

  /** From now on a pong with this payload is taken out of the stream, once. */
  expectPong(payload: Buffer): void {
    this.#controls.expectPong(payload)
  }

  /** Lets the source's close frame pass, which the listener has kept; {@link go} lets what has come after it. */
  passClose(): void {
    this.#controls.passClose()
  }

  /** Ends the stream with a close frame of our own, at the next place between two frames; what comes after is dropped. */
  close(payload: Buffer): void {
    if (this.#writer.ended || this.#injector.isClosing) return
    this.#injector.close(payload)
    const isHere = this.#position.opaque || this.#position.betweenFrames
    this.#addressed?.release()
    if (!isHere) return
    this.#injector.writeClose()
    this.abandon()
  }

  /** A step of the clock in which the source is read. @returns for how many of them a message has been held */
  age(): number {
    this.#whole?.age()
    return this.#addressed?.age() ?? 0
  }
}
