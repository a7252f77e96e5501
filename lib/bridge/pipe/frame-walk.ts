import type { FirstMessage } from '../../websocket/first-message.ts'
import { type FrameReader, OPCODE, STEP } from '../../websocket/frames.ts'
import type { Injector } from './injector.ts'
import type { TappedPipe } from './pipe-options.ts'
import type { PipeWriter } from './pipe-writer.ts'
import type { StopPoint } from './stop-point.ts'
import type { StreamPosition } from './stream-position.ts'
import type { AddressTap } from './taps/address-tap.ts'
import type { ControlTap } from './taps/control-tap.ts'
import { TAP } from './taps/tap.ts'
import type { WholeMessageWriter } from './whole-messages.ts'

/** The parts of a pipe; each owns one state. */
export interface PipeParts<P extends TappedPipe<P>> {
  readonly pipe: P
  readonly reader: FrameReader
  readonly writer: PipeWriter
  readonly position: StreamPosition
  readonly stops: StopPoint<P>
  readonly injector: Injector
  /** Set if messages pass only when complete. */
  readonly whole: WholeMessageWriter | undefined
  readonly controls: ControlTap<P>
  /** Set if messages may be addressed. */
  readonly addressed: AddressTap<P> | undefined
  /** Set if the first message is recorded. */
  readonly first: FirstMessage | undefined
}

/** The reader's error for a message over the size limit. */
const TOO_BIG = 1009

/** Goes through the chunks of a stream and asks the taps about its frames. This is the path that each byte takes. */
export class FrameWalk<P extends TappedPipe<P>> {
  readonly #pipe: P
  readonly #reader: FrameReader
  readonly #writer: PipeWriter
  readonly #position: StreamPosition
  readonly #stops: StopPoint<P>
  readonly #injector: Injector
  readonly #whole: WholeMessageWriter | undefined
  readonly #controls: ControlTap<P>
  readonly #addressed: AddressTap<P> | undefined
  #first: FirstMessage | undefined
  /** Bytes of an incomplete header: they cannot pass before the frame's kind is known. */
  #carry: Buffer | undefined

  constructor(parts: PipeParts<P>) {
    this.#pipe = parts.pipe
    this.#reader = parts.reader
    this.#writer = parts.writer
    this.#position = parts.position
    this.#stops = parts.stops
    this.#injector = parts.injector
    this.#whole = parts.whole
    this.#controls = parts.controls
    this.#addressed = parts.addressed
    this.#first = parts.first
  }

  /** Passes a chunk as far as it may pass now. */
  push(chunk: Buffer): void {
    if ((this.#stops.stopped || this.#isPausedHere) && !this.#writer.ended) this.#stops.stash(chunk)
    else if (this.#position.opaque) this.#writer.write(chunk)
    else if (this.#mustWalk) this.#walk(chunk)
    else this.#skim(chunk)
  }

  /** Passes the bytes of a header that did not end. */
  passRest(): void {
    if (this.#carry) this.#writer.write(this.#carry)
    this.#carry = undefined
  }

  get #isPausedHere(): boolean {
    return this.#stops.paused && !this.#injector.isClosing && this.#position.atEnd
  }

  get #mustWalk(): boolean {
    return (
      this.#addressed !== undefined ||
      this.#carry !== undefined ||
      this.#first !== undefined ||
      this.#controls.isWaiting ||
      this.#injector.any ||
      this.#stops.stopping ||
      this.#writer.ended
    )
  }

  /**
   * The common case: no part needs single frames, so the reader only keeps track, and the chunk passes in one piece.
   */
  #skim(chunk: Buffer): void {
    const reader = this.#reader
    let offset = 0
    this.#whole?.begin()
    while (offset < chunk.length) {
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) {
        this.#fail(chunk, 0, before)
        return
      }
      offset = reader.position
      this.#whole?.see()
      if (reader.opcode >= OPCODE.CLOSE && this.#controls.see(step) !== TAP.PASS) {
        this.#pass(chunk, 0, before)
        this.#controls.keep(chunk, before, offset, step)
        this.#walk(chunk, offset, offset)
        return
      }
    }
    if (reader.inHeader) this.#cut(chunk, 0)
    else this.#pass(chunk, 0, chunk.length)
  }

  /**
   * Goes through a chunk frame by frame.
   *
   * @param passed offset up to which the chunk has been written
   * @param start offset up to which it has been read
   */
  #walk(received: Buffer, passed = 0, start = 0): void {
    const reader = this.#reader
    const controls = this.#controls
    const injector = this.#injector
    const stops = this.#stops
    const whole = this.#whole
    const chunk = this.#withCarry(received)
    let offset = start
    if (start === 0) whole?.begin()
    while (offset < chunk.length) {
      // Nothing should follow a close frame. Bytes that do must neither overtake a kept close frame nor begin a
      // message.
      if (controls.keepsClose && !this.#writer.ended) {
        stops.stopHere(chunk.subarray(offset))
        return
      }
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) {
        this.#fail(chunk, passed, before)
        return
      }
      whole?.see()
      if (reader.inHeader) {
        this.#cut(chunk, passed)
        return
      }
      passed = this.#tap(chunk, passed, before, step)
      offset = reader.position
      if (injector.any) {
        this.#pass(chunk, passed, offset)
        passed = offset
        this.#settle()
      }
      if ((stops.stopping || stops.paused) && this.#endsAt(chunk, passed, offset)) return
    }
    this.#pass(chunk, passed, chunk.length)
  }

  #withCarry(received: Buffer): Buffer {
    if (this.#carry === undefined) return received
    const chunk = Buffer.concat([this.#carry, received])
    this.#carry = undefined
    return chunk
  }

  /**
   * Asks the tap that is responsible for a step of the reader. The address tap may read on.
   *
   * @returns offset up to which the chunk has been processed
   */
  #tap(chunk: Buffer, passed: number, start: number, step: number): number {
    const reader = this.#reader
    const { position } = reader
    if (reader.opcode >= OPCODE.CLOSE) {
      if (this.#controls.see(step) === TAP.PASS) return passed
      this.#pass(chunk, passed, start)
      this.#controls.keep(chunk, start, position, step)
      return position
    }
    if (this.#addressed !== undefined && !this.#injector.isClosing && !this.#writer.ended)
      return this.#tapAddressed(this.#addressed, chunk, passed, start, step)
    if (this.#first?.see(reader, chunk, start, position, step)) this.#first = undefined
    return passed
  }

  #tapAddressed(tap: AddressTap<P>, chunk: Buffer, passed: number, start: number, step: number): number {
    const { position } = this.#reader
    const what = tap.see(chunk, position, step)
    if (what === TAP.PASS) return passed
    // Must come first, because the new owner of the message may write to this stream.
    this.#pass(chunk, passed, start)
    if (what === TAP.HOLD) return tap.keep(chunk, start, position, step)
    const end = this.#reader.position
    tap.take()
    return end
  }

  /** Writes the frames that wait for this place in the stream, if it is one. */
  #settle(): void {
    if (!this.#position.betweenFrames) return
    if (this.#injector.isClosing) {
      this.#injector.writeClose()
      this.#pipe.abandon()
    } else this.#injector.settle(this.#position.betweenMessages)
  }

  /** Whether the stream stops or pauses here; then the rest of the chunk waits. */
  #endsAt(chunk: Buffer, passed: number, offset: number): boolean {
    const rest = offset < chunk.length ? chunk.subarray(offset) : undefined
    if (this.#stops.stopping && this.#position.atEnd) {
      this.#pass(chunk, passed, offset)
      this.#stops.stopHere(rest)
      return true
    }
    if (!rest || this.#writer.ended || !this.#isPausedHere) return false
    this.#pass(chunk, passed, offset)
    this.#stops.stash(rest)
    return true
  }

  /** Keeps back an incomplete header. */
  #cut(chunk: Buffer, passed: number): void {
    const end = chunk.length - this.#reader.unread()
    this.#pass(chunk, passed, end)
    this.#carry = Buffer.from(chunk.subarray(end))
  }

  /** The stream violates the protocol from `offset` on. */
  #fail(chunk: Buffer, passed: number, offset: number): void {
    this.#position.opaque = true
    if (this.#reader.error === TOO_BIG) {
      this.#pass(chunk, passed, offset)
      this.#addressed?.release()
      this.#pipe.listener.onTooBig(this.#pipe)
      return
    }
    // The other end answers a protocol error, as it would without us (RFC 6455 §7.1.7).
    this.#addressed?.pass()
    this.#whole?.passPartial()
    this.#writer.writePart(chunk, passed, chunk.length)
    this.#injector.dismiss()
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (this.#whole !== undefined && !this.#writer.ended) this.#whole.pass(chunk, start, end)
    else this.#writer.writePart(chunk, start, end)
  }
}
