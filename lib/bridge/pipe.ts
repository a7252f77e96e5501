import type { Socket } from 'node:net'
import type { Address, AddressFinder, Unparsed } from '../websocket/addressing/address-finder.ts'
import { ControlFrames, type KeptFrame } from '../websocket/control-frames.ts'
import type { FirstText } from '../websocket/first-message.ts'
import { encodeFrame, FrameReader, OPCODE, STEP } from '../websocket/frames.ts'
import { nextMask } from '../websocket/mask.ts'
import type { Direction, Message } from '../websocket/message.ts'
import { Held, mayBeAddressed } from '../websocket/message-buffer.ts'
import { Insertions } from './injection-queue.ts'
import { PartialMessage } from './partial-message.ts'
import type { ListenerOf, PipeOptions } from './pipe-options.ts'
import { gather } from './socket/batch-writes.ts'
import { writeLent } from './socket/read-buffer.ts'

export type PipeListener = ListenerOf<Pipe>

/** Shared by all pipes that have nothing; never written to. */
const NOTHING: Buffer[] = []
const NO_BYTES = Buffer.alloc(0)
const FALSE = Promise.resolve(false)
/** What a write that waits takes beyond its bytes. */
const PIECE_BYTES = 256
/**
 * One direction of a bridged connection: bytes go from one socket to the other as they came; only the headers of frames are
 * read, to know where messages begin and end. Where messages may be addressed, a text message that could be is held until its
 * end, and nothing else is.
 */
export class Pipe {
  readonly direction: Direction
  readonly source: Socket
  target: Socket
  listener: PipeListener
  /** Whether the source's close frame was read: it sends nothing more. */
  closedBySource = false
  /** Whether nothing passes, at a place between two messages. */
  stopped = false

  readonly #reader: FrameReader
  readonly #find: AddressFinder | undefined
  readonly #controls: ControlFrames
  #first: FirstText | undefined
  readonly #insertions = new Insertions()
  #held: Held | undefined
  /** Of the message that the source is in the middle of, where messages pass only whole. */
  readonly #partial: PartialMessage | undefined
  /** Up to where the chunk that is gone through is whole messages. */
  #boundary = 0
  /** Bytes of a header that is not complete: they cannot pass before it is known what they begin. */
  #carry: Buffer | undefined
  /** The source's close frame, while it may not pass. */
  #closeFrame: readonly Buffer[] | undefined
  /** Our own close frame, until its place in the stream has come. */
  #farewell: Buffer | undefined
  #stopping = false
  /** Whether nothing passes from the next place between two messages on, because the source sends more than is taken. */
  #paused = false
  /** Writes since the target had nothing to write. */
  #pieces = 0
  /** What came after the place where the pipe has stopped. */
  #stash: Buffer[] = NOTHING
  /** Its bytes. */
  stashedBytes = 0
  /** Nothing passes any more. */
  #ended = false
  /** These are no frames of RFC 6455: they pass unread, and the ends will tell each other. */
  #opaque = false
  /** Whether the chunk that is pushed is only lent, as chunks of sockets are (shared-read.ts). */
  #lent = true

  constructor(direction: Direction, source: Socket, target: Socket, listener: PipeListener, options: PipeOptions) {
    this.direction = direction
    this.source = source
    this.target = target
    this.#reader = new FrameReader(direction === 'inbound', options.maxMessageBytes)
    this.listener = listener
    this.#find = options.find
    this.#controls = new ControlFrames(options.secret)
    this.#first = options.first
    this.#partial = options.whole && new PartialMessage(options.whole)
  }

  /** Bytes that wait to be written to the target, with what it costs that they are in pieces. */
  get queuedBytes(): number {
    const { writableLength } = this.target
    if (writableLength === 0) this.#pieces = 0
    return writableLength + this.#pieces * PIECE_BYTES + this.#insertions.bytes
  }

  /** Calls back when all that waits to be written now is with the kernel, or will never be. */
  whenWritten(done: () => void): void {
    this.target.write(NO_BYTES, done)
  }

  /** Bytes that are in our memory because of this stream. */
  get heldBytes(): number {
    return this.queuedBytes + this.stashedBytes + (this.#held?.bytes ?? 0) + (this.#partial?.bytes ?? 0)
  }

  /**
   * Takes what the source has sent; the chunk need not stay as it is.
   *
   * @returns `false` when the target is full: the source must not be read before it has drained
   */
  push(chunk: Buffer): boolean {
    if ((this.stopped || this.#isPausedHere) && !this.#ended) this.#keepRest(chunk)
    else if (this.#opaque) this.#write(chunk)
    else if (this.#mustWalk) this.#walk(chunk)
    else this.#skim(chunk)
    return !this.target.writableNeedDrain
  }

  get #mustWalk(): boolean {
    return (
      this.#find !== undefined ||
      this.#carry !== undefined ||
      this.#controls.busy ||
      this.#insertions.any ||
      this.#farewell !== undefined ||
      this.#controls.expectedPong !== undefined ||
      this.#first !== undefined ||
      this.#closeFrame !== undefined ||
      this.#stopping ||
      this.#ended
    )
  }

  /** Whether the stream to the target is between two messages: nothing of one has passed without the rest. */
  get betweenMessages(): boolean {
    return !this.#opaque && this.#betweenMessages
  }

  /**
   * Passes nothing from the next place between two messages on, and tells the listener when that has come, maybe at once. The
   * source should not be read from then on. Has no effect on a stream that cannot be read.
   */
  stop(): void {
    if (this.stopped || this.#stopping || this.#opaque) return
    this.#stopping = true
    if (this.#atEnd) this.#halt(undefined)
  }

  /**
   * Goes on after a stop, or takes it back.
   *
   * @returns as {@link push}
   */
  go(): boolean {
    this.#stopping = false
    this.stopped = false
    this.#pushStash()
    return !this.target.writableNeedDrain
  }

  #pushStash(): void {
    const stash = this.#stash
    this.#stash = NOTHING
    this.stashedBytes = 0
    this.#lent = false
    for (const chunk of stash) this.push(chunk)
    this.#lent = true
  }

  /** Takes no further message until {@link resume}: what the source has sent already waits here. */
  pause(): void {
    this.#paused = true
  }

  /** Goes on after a pause. A stop stays. */
  resume(): void {
    this.#paused = false
    if (!this.stopped) this.#pushStash()
  }

  get #isPausedHere(): boolean {
    return this.#paused && !this.#opaque && !this.#farewell && this.#atEnd
  }

  #keepRest(chunk: Buffer): void {
    if (this.#stash === NOTHING) this.#stash = []
    this.#stash.push(this.#own(chunk))
    this.stashedBytes += chunk.length
  }

  /** The source sends no more: what was held back of it passes, so that the target sees as much as it would without us. */
  finish(): void {
    while (this.#stash.length > 0 && !this.stopped) this.resume()
    this.#passHeld()
    this.#passPartial()
    for (const bytes of this.#controls.take()) this.#write(bytes)
    if (this.#carry) this.#write(this.#carry)
    this.#carry = undefined
    this.abandon()
  }

  /** Nothing passes any more, and whatever waits for its place is told so. */
  abandon(): void {
    this.#ended = true
    this.#release()
    this.#partial?.take()
    this.#insertions.dismiss()
  }

  /**
   * Puts a message of somebody else into the stream, at the next place between two messages.
   *
   * @returns when the kernel has it; `false` when it cannot be written
   */
  inject({ data, binary, frame }: Message): Promise<boolean> {
    if (!this.#writable) return FALSE
    const mask = this.#mask()
    const shared = mask === undefined ? frame : undefined
    const bytes = shared ?? encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data, mask)
    return this.#betweenMessages ? this.#insert(bytes) : this.#insertions.wait(bytes, 'messages')
  }

  /**
   * Puts a ping or a pong of ours into the stream, at the next place between two frames.
   *
   * @returns as {@link inject}
   */
  control(opcode: number, payload: Buffer): Promise<boolean> {
    if (!this.#writable) return FALSE
    const bytes = encodeFrame(opcode, payload, this.#mask())
    return this.#betweenFrames ? this.#insert(bytes) : this.#insertions.wait(bytes, 'frames')
  }

  get #writable(): boolean {
    return !this.#opaque && !this.#ended && !this.#farewell && this.target.writable
  }

  #insert(bytes: Buffer): Promise<boolean> {
    const { target } = this
    return new Promise(resolve => gather(target, () => target.write(bytes, error => resolve(!error))))
  }

  /** From now on a pong with this payload is taken out of the stream, once. */
  expectPong(payload: Buffer): void {
    this.#controls.expectedPong = payload
  }

  /** Lets the source's close frame pass, which the listener has kept; {@link go} lets what has come after it. */
  passClose(): void {
    this.#passPartial()
    for (const bytes of this.#closeFrame ?? []) this.#write(bytes)
    this.#closeFrame = undefined
  }

  /** Ends the stream with a close frame of our own, at the next place between two frames; what comes after is dropped. */
  close(payload: Buffer): void {
    if (this.#ended || this.#farewell) return
    this.#farewell = encodeFrame(OPCODE.CLOSE, payload, this.#mask())
    const here = this.#opaque || this.#betweenFrames
    this.#release()
    if (here) this.#sayFarewell()
  }

  /** Of a message that is held nothing has passed: only a control frame can be half way. */
  get #betweenFrames(): boolean {
    if (this.#partial?.any) return true
    return this.#held ? !this.#inControlFrame : this.#reader.betweenFrames
  }

  get #betweenMessages(): boolean {
    if (this.#partial?.any) return true
    return this.#held ? !this.#inControlFrame : this.#reader.betweenMessages
  }

  /** Whether the source is between two messages, and nothing of the last one waits here. */
  get #atEnd(): boolean {
    return this.#held === undefined && this.#reader.betweenMessages
  }

  get #inControlFrame(): boolean {
    return !this.#reader.betweenFrames && this.#reader.opcode >= OPCODE.CLOSE
  }

  /** The usual case: nobody wants anything of this stream, so it is read along and passes as one piece. */
  #skim(chunk: Buffer): void {
    const reader = this.#reader
    let offset = 0
    this.#boundary = 0
    while (offset < chunk.length) {
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) {
        this.#fail(chunk, 0, before)
        return
      }
      offset = reader.position
      if (this.#partial && reader.betweenMessages) this.#boundary = offset
      if (reader.opcode >= OPCODE.CLOSE && this.#controls.looksAt(reader, step)) {
        this.#pass(chunk, 0, before)
        this.#walk(chunk, this.#keepControl(chunk, before, offset, step), offset)
        return
      }
    }
    if (reader.inHeader) this.#cut(chunk, 0)
    else this.#pass(chunk, 0, chunk.length)
  }

  /** Keeps back the beginning of a header. */
  #cut(chunk: Buffer, passed: number): void {
    const end = chunk.length - this.#reader.unread()
    this.#pass(chunk, passed, end)
    this.#carry = Buffer.from(chunk.subarray(end))
  }

  /**
   * Goes through a chunk frame by frame.
   *
   * @param passed up to where it has been written
   * @param start up to where it has been read
   */
  #walk(received: Buffer, passed = 0, start = 0): void {
    const reader = this.#reader
    const chunk = this.#carry ? Buffer.concat([this.#carry, received]) : received
    this.#carry = undefined
    let offset = start
    if (start === 0) this.#boundary = 0
    while (offset < chunk.length) {
      // Nothing should come after a close frame. What does must not overtake one that is kept, nor begin a message.
      if (this.#closeFrame && !this.#ended) {
        this.#halt(chunk.subarray(offset))
        return
      }
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) {
        this.#fail(chunk, passed, before)
        return
      }
      offset = reader.position
      if (this.#partial && reader.betweenMessages) this.#boundary = offset
      if (reader.inHeader) {
        this.#cut(chunk, passed)
        return
      }
      if (reader.opcode >= OPCODE.CLOSE) {
        if (this.#controls.busy || this.#controls.looksAt(reader, step)) {
          this.#pass(chunk, passed, before)
          passed = this.#keepControl(chunk, before, offset, step)
        }
      } else if (this.#find && !this.#farewell && !this.#ended) {
        if (this.#held) {
          this.#pass(chunk, passed, before)
          passed = this.#keep(this.#held, chunk, before, offset, step)
        } else if (reader.opcode === OPCODE.TEXT && mayBeAddressed(reader, chunk, offset, step)) {
          const end = offset + reader.length
          if (reader.fin && end <= chunk.length) {
            // The whole message is here, which is the usual case: it is looked at where it is.
            reader.read(chunk, offset)
            const data = this.#find.look(chunk, offset, end, reader.mask)
            const address = this.#taken(this.#find.find(data))
            if (address) {
              // First, so that whoever takes it may write to this stream.
              this.#pass(chunk, passed, before)
              passed = end
              this.#take(address, Buffer.from(data))
            }
            offset = end
          } else {
            this.#pass(chunk, passed, before)
            this.#held = new Held(this.#find)
            passed = this.#keep(this.#held, chunk, before, offset, step)
          }
        }
      } else if (this.#first?.see(reader, chunk, before, offset, step)) this.#first = undefined
      if (this.#insertions.any || this.#farewell) {
        this.#pass(chunk, passed, offset)
        passed = offset
        this.#settle()
      }
      if (this.#stopping && this.#atEnd) {
        this.#pass(chunk, passed, offset)
        this.#halt(offset < chunk.length ? chunk.subarray(offset) : undefined)
        return
      }
      if (offset < chunk.length && this.#isPausedHere && !this.#ended) {
        this.#pass(chunk, passed, offset)
        this.#keepRest(chunk.subarray(offset))
        return
      }
    }
    this.#pass(chunk, passed, chunk.length)
  }

  #halt(rest: Buffer | undefined): void {
    this.#stopping = false
    this.stopped = true
    if (rest) this.#keepRest(rest)
    this.listener.onStopped(this)
  }

  /** The address of a message that is to be taken out of the stream. */
  #taken(address: Address | Unparsed | undefined): Address | undefined {
    if (typeof address === 'string') this.listener.onUnparsed(this, address)
    else if (address && this.listener.takes(this, address.recipient)) return address
    return undefined
  }

  #take({ recipient, id }: Address, data: Buffer): void {
    this.listener.onAddressed(this, recipient, { data, binary: false, id })
  }

  /** Holds a piece of a message, for as long as it may be addressed. Returns up to where the chunk has been dealt with. */
  #keep(held: Held, chunk: Buffer, start: number, end: number, step: number): number {
    const verdict = held.add(this.#reader, chunk, start, end, step)
    if (verdict === 'hold') return end
    if (verdict === 'no_room') {
      this.listener.onNoRoom(this)
      // A stream that has ended otherwise is not closed again, and this message is no longer whole.
      if (this.#held) this.abandon()
      return end
    }
    if (verdict === 'whole') {
      const data = held.payload()
      const address = this.#taken(held.addressIn(data))
      if (address) {
        this.#release()
        this.#take(address, data)
      } else this.#passHeld()
      return end
    }
    this.#passHeld()
    if (verdict !== 'pass') this.listener.onUnparsed(this, verdict)
    return verdict === 'too_large' ? start : end
  }

  /** A step of the clock in which the source is read. @returns for how many of them a message has been held */
  age(): number {
    if (this.#partial?.age()) this.#passPartial()
    return this.#held ? ++this.#held.age : 0
  }

  /** Holds nothing any more. Returns what was held, as it came. */
  #release(): Buffer | undefined {
    const frames = this.#held?.release()
    this.#held = undefined
    return frames
  }

  #passHeld(): void {
    const frames = this.#release()
    if (frames) this.#write(frames)
  }

  #passPartial(): void {
    const frames = this.#partial?.take()
    if (frames) this.#write(frames)
  }

  #keepControl(chunk: Buffer, start: number, end: number, step: number): number {
    const frame = this.#controls.keep(this.#reader, chunk, start, end, step)
    if (frame && this.#passes(frame)) for (const bytes of frame.frames) this.#write(bytes)
    return end
  }

  /** Gives a control frame to whom it is for. */
  #passes({ kind, payload, frames }: KeptFrame): boolean {
    switch (kind) {
      case 'close':
        this.closedBySource = true
        if (this.listener.onCloseFrame(this, payload)) {
          this.#passPartial()
          return true
        }
        this.#closeFrame = frames
        return false
      case 'control':
        this.listener.onControl(this, payload)
        return false
      case 'pong':
        this.listener.onPong(this, payload)
        return false
      case 'late':
        return false
      case 'other':
        return true
    }
  }

  /** The stream is no longer what it should be, from `offset` on. */
  #fail(chunk: Buffer, passed: number, offset: number): void {
    this.#opaque = true
    if (this.#reader.error === TOO_BIG) {
      this.#pass(chunk, passed, offset)
      this.#release()
      this.listener.onTooBig(this)
      return
    }
    // Whoever is at the other end answers this, as they would without us (RFC 6455 §7.1.7).
    this.#passHeld()
    this.#passPartial()
    this.#writePart(chunk, passed, chunk.length)
    this.#insertions.dismiss()
  }

  /** Writes what has waited for this place in the stream, if this is one. */
  #settle(): void {
    if (this.#farewell) {
      if (this.#betweenFrames) this.#sayFarewell()
      return
    }
    if (this.#betweenFrames) this.#insertions.write(this.target, this.#betweenMessages)
  }

  #sayFarewell(): void {
    if (this.#farewell && !this.#ended && this.target.writable) this.target.write(this.#farewell)
    this.#farewell = undefined
    this.abandon()
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (this.#partial && !this.#ended) this.#passWhole(this.#partial, chunk, start, end)
    else this.#writePart(chunk, start, end)
  }

  /** Passes what is whole messages, and keeps the part of the next one, as long as that can be kept. */
  #passWhole(partial: PartialMessage, chunk: Buffer, start: number, end: number): void {
    // What comes after the range was taken out of the stream.
    const boundary = Math.min(end, Math.max(start, this.#boundary))
    if (boundary > start) {
      const before = partial.end()
      if (before) this.#write(before)
      this.#writePart(chunk, start, boundary)
    }
    if (boundary >= end) return
    const { fin, opcode, messageBytes, remaining } = this.#reader
    const missing = fin && opcode < OPCODE.CLOSE ? remaining : undefined
    if (partial.keep(chunk, boundary, end, { declared: messageBytes, missing })) return
    this.#passPartial()
    this.#writePart(chunk, boundary, end)
  }

  #writePart(chunk: Buffer, start: number, end: number): void {
    if (end > start) this.#write(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  #write(bytes: Buffer): void {
    const { target } = this
    if (this.#ended || !target.writable) return
    if (this.#lent) writeLent(target, bytes)
    else target.write(bytes)
    if (target.writableLength > 0) this.#pieces++
  }

  /** Bytes that stay as they are when the chunk is given back. */
  #own(bytes: Buffer): Buffer {
    return this.#lent ? Buffer.from(bytes) : bytes
  }

  /** Frames to an upstream are a client's: masked (RFC 6455 §5.1). */
  #mask(): number | undefined {
    return this.direction === 'inbound' ? nextMask() : undefined
  }
}

const TOO_BIG = 1009
