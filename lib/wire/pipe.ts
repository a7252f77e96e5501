import type { Socket } from 'node:net'
import { applyMask, encodeFrame, FrameReader, OPCODE, STEP } from './frames.ts'
import { type Held, tooManyPieces } from './held.ts'
import { nextMask } from './mask.ts'
import type { Direction, Message, RecipientFinder } from './message.ts'

/** What a pipe tells of the stream that goes through it. */
export interface PipeListener {
  /** The source's close frame, its payload unmasked (RFC 6455 §5.5.1: a code and a reason, or nothing). */
  onCloseFrame(pipe: Pipe, payload: Buffer): void
  /** A message is larger than allowed. The frame that made it so has not passed, and nothing after it does. */
  onTooBig(pipe: Pipe): void
  /** An addressed message; `true` takes it out of the stream. */
  onAddressed(pipe: Pipe, recipient: string, message: Message): boolean
}

/** A frame that waits for its place in the stream. */
interface Waiting {
  readonly bytes: Buffer
  readonly done: (error?: Error | null) => void
}

const OPEN_BRACE = 0x7b
const EMPTY = Buffer.alloc(0)

/** Payloads up to this size are looked at in a buffer that all pipes share. */
const scratch = Buffer.allocUnsafeSlow(65_536)

/**
 * One direction of a bridged connection: bytes go from one socket to the other as they came; only the headers of frames are
 * read, to know where messages begin and end. Where messages may be addressed, a text message that could be is held until its
 * end, and nothing else is.
 */
export class Pipe {
  readonly direction: Direction
  readonly source: Socket
  readonly target: Socket
  /** Whether the source's close frame was read: it sends nothing more. */
  closedBySource = false

  readonly #reader: FrameReader
  readonly #listener: PipeListener
  readonly #find: RecipientFinder | undefined
  #waiting: Waiting[] | undefined
  #waitingBytes = 0
  #held: Held | undefined
  /** Bytes of a header that is not complete: they cannot pass before it is known what they begin. */
  #carry: Buffer | undefined
  #closePayload: Buffer[] | undefined
  /** Payload of a ping of ours to the source: the pong to it is not for the target. */
  #expectedPong: Buffer | undefined
  /** A pong that is looked at. */
  #pong: Held | undefined
  /** Our own close frame, until its place in the stream has come. */
  #farewell: Buffer | undefined
  /** Nothing passes any more. */
  #ended = false
  /** These are no frames of RFC 6455: they pass unread, and the ends will tell each other. */
  #opaque = false

  /** @param find where messages of this direction may be addressed */
  constructor(
    direction: Direction,
    source: Socket,
    target: Socket,
    maxMessageBytes: number,
    listener: PipeListener,
    find: RecipientFinder | undefined,
  ) {
    this.direction = direction
    this.source = source
    this.target = target
    this.#reader = new FrameReader(direction === 'inbound', maxMessageBytes)
    this.#listener = listener
    this.#find = find
  }

  /** Bytes that wait to be written to the target. */
  get queuedBytes(): number {
    return this.target.writableLength + this.#waitingBytes
  }

  /**
   * Takes what the source has sent.
   *
   * @returns `false` when the target is full: the source must not be read before it has drained
   */
  push(chunk: Buffer): boolean {
    if (this.#opaque) this.#write(chunk)
    else if (this.#find || this.#waiting || this.#farewell || this.#ended || this.#closePayload || this.#expectedPong)
      this.#walk(chunk)
    else this.#skim(chunk)
    return !this.target.writableNeedDrain
  }

  /** The source sends no more: what was held back of it passes, so that the target sees as much as it would without us. */
  finish(): void {
    for (const bytes of this.#held?.frames ?? []) this.#write(bytes)
    for (const bytes of this.#pong?.frames ?? []) this.#write(bytes)
    if (this.#carry) this.#write(this.#carry)
    this.#held = undefined
    this.#pong = undefined
    this.#carry = undefined
    this.abandon()
  }

  /** Nothing passes any more, and whatever waits for its place is told so. */
  abandon(): void {
    this.#ended = true
    this.#dismiss()
  }

  /**
   * Puts a message of somebody else into the stream, at the next place between two messages.
   *
   * @returns when the kernel has it; `false` when it cannot be written
   */
  inject({ data, binary }: Message): Promise<boolean> {
    if (this.#opaque || this.#ended || this.#farewell || !this.target.writable) return Promise.resolve(false)
    const bytes = encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data, this.#mask())
    return new Promise(resolve => {
      const done = (error?: Error | null) => resolve(!error)
      if (this.#betweenMessages) {
        this.target.write(bytes, done)
        return
      }
      this.#waiting ??= []
      this.#waiting.push({ bytes, done })
      this.#waitingBytes += bytes.length
    })
  }

  /** Puts a ping of ours into the stream, if this is a place between two frames. */
  ping(payload: Buffer): boolean {
    if (this.#opaque || this.#ended || this.#farewell || !this.target.writable || !this.#betweenFrames) return false
    this.target.write(encodeFrame(OPCODE.PING, payload, this.#mask()))
    return true
  }

  /** From now on a pong with this payload is taken out of the stream, once. */
  expectPong(payload: Buffer): void {
    this.#expectedPong = payload
  }

  /** Ends the stream with a close frame of our own, at the next place between two frames; what comes after is dropped. */
  close(payload: Buffer): void {
    if (this.#ended || this.#farewell) return
    this.#farewell = encodeFrame(OPCODE.CLOSE, payload, this.#mask())
    const here = this.#opaque || this.#betweenFrames
    this.#held = undefined
    if (here) this.#sayFarewell()
  }

  /** Of a message that is held nothing has passed: only a control frame can be half way. */
  get #betweenFrames(): boolean {
    return this.#held ? !this.#inControlFrame : this.#reader.betweenFrames
  }

  get #betweenMessages(): boolean {
    return this.#held ? !this.#inControlFrame : this.#reader.betweenMessages
  }

  get #inControlFrame(): boolean {
    return !this.#reader.betweenFrames && this.#reader.opcode >= OPCODE.CLOSE
  }

  /** The usual case: nobody wants anything of this stream, so it is read along and passes as one piece. */
  #skim(chunk: Buffer): void {
    const reader = this.#reader
    let offset = 0
    while (offset < chunk.length) {
      const step = reader.read(chunk, offset)
      if (step === STEP.ERROR) {
        this.#fail(chunk, 0, offset)
        return
      }
      offset = reader.position
      if (reader.opcode === OPCODE.CLOSE && (step === STEP.HEADER || step === STEP.EMPTY)) {
        this.#onCloseHeader(step)
        this.#walk(chunk, 0, offset)
        return
      }
    }
    this.#write(chunk)
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
    // What was read in part without care has passed; it cannot be taken back.
    const cutBefore = reader.inHeader
    let offset = start
    while (offset < chunk.length) {
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) {
        this.#fail(chunk, passed, before)
        return
      }
      offset = reader.position
      if ((this.#find || this.#expectedPong) && step === STEP.MORE && !(cutBefore && before === start)) {
        const cut = reader.unread()
        if (cut > 0) {
          this.#pass(chunk, passed, chunk.length - cut)
          this.#carry = chunk.subarray(chunk.length - cut)
          return
        }
      }
      if (reader.opcode >= OPCODE.CLOSE) {
        if (reader.opcode === OPCODE.CLOSE) this.#onClose(chunk, before, offset, step)
        else if (this.#pong || this.#startsPong(step)) {
          this.#pass(chunk, passed, before)
          passed = this.#keepPong(chunk, before, offset, step)
        }
      } else if (this.#find && !this.#farewell && !this.#ended) {
        if (this.#held) {
          this.#pass(chunk, passed, before)
          passed = this.#keep(this.#held, chunk, before, offset, step)
        } else if (reader.opcode === OPCODE.TEXT && this.#mayBeAddressed(chunk, offset, step)) {
          const end = offset + reader.length
          if (reader.fin && end <= chunk.length) {
            // The whole message is here, which is the usual case: it is looked at where it is.
            reader.read(chunk, offset)
            if (this.#take(this.#look(chunk, offset, end))) {
              this.#pass(chunk, passed, before)
              passed = end
            }
            offset = end
          } else {
            this.#pass(chunk, passed, before)
            this.#held = { frames: [chunk.subarray(before, offset)], payload: [] }
            passed = offset
          }
        }
      }
      if (this.#waiting || this.#farewell) {
        this.#pass(chunk, passed, offset)
        passed = offset
        this.#settle()
      }
    }
    this.#pass(chunk, passed, chunk.length)
  }

  /** Whether this is the header of a text frame that can be the beginning of a JSON object, as far as its bytes are here. */
  #mayBeAddressed(chunk: Buffer, payload: number, step: number): boolean {
    if (step === STEP.EMPTY) return !this.#reader.fin
    if (step !== STEP.HEADER) return false
    if (payload >= chunk.length) return true
    const first = (chunk[payload] as number) ^ (this.#reader.mask >>> 24)
    return first === OPEN_BRACE || first === 0x20 || (first >= 0x09 && first <= 0x0d)
  }

  /** A payload without its mask; valid until the next call. */
  #look(chunk: Buffer, start: number, end: number): Buffer {
    const { mask } = this.#reader
    if (mask === 0) return chunk.subarray(start, end)
    const bytes = end - start
    const copy = bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafe(bytes)
    chunk.copy(copy, 0, start, end)
    applyMask(copy, mask)
    return copy
  }

  /** Gives an addressed message to whoever takes it. */
  #take(data: Buffer): boolean {
    const recipient = this.#find?.({ data, binary: false })
    return (
      recipient !== undefined && this.#listener.onAddressed(this, recipient, { data: Buffer.from(data), binary: false })
    )
  }

  /** Holds a piece of a message, and decides at its end. Returns up to where the chunk has been dealt with. */
  #keep(held: Held, chunk: Buffer, start: number, end: number, step: number): number {
    const reader = this.#reader
    held.frames.push(chunk.subarray(start, end))
    if (step === STEP.MORE || step === STEP.END) {
      const piece = Buffer.from(chunk.subarray(start, end))
      applyMask(piece, reader.mask, reader.length - reader.remaining - piece.length)
      held.payload.push(piece)
    }
    if (step !== STEP.HEADER && step !== STEP.MORE && reader.message === 0) {
      this.#held = undefined
      if (!this.#take(Buffer.concat(held.payload))) for (const bytes of held.frames) this.#write(bytes)
    } else if (tooManyPieces(held, reader.messageBytes)) {
      this.#held = undefined
      for (const bytes of held.frames) this.#write(bytes)
    }
    return end
  }

  /** Whether this is the header of a pong that could be the answer to our ping. A cut header has passed in part already. */
  #startsPong(step: number): boolean {
    const { opcode, length, headerBytes, position } = this.#reader
    const whole = position >= headerBytes
    return step === STEP.HEADER && whole && opcode === OPCODE.PONG && length === this.#expectedPong?.length
  }

  #keepPong(chunk: Buffer, start: number, end: number, step: number): number {
    this.#pong ??= { frames: [], payload: [] }
    this.#pong.frames.push(chunk.subarray(start, end))
    if (step !== STEP.HEADER) this.#pong.payload.push(chunk.subarray(start, end))
    if (step !== STEP.END) return end
    const { frames, payload } = this.#pong
    const data = Buffer.concat(payload)
    applyMask(data, this.#reader.mask)
    this.#pong = undefined
    if (this.#expectedPong?.equals(data)) this.#expectedPong = undefined
    else for (const bytes of frames) this.#write(bytes)
    return end
  }

  #onClose(chunk: Buffer, start: number, end: number, step: number): void {
    if (step === STEP.HEADER || step === STEP.EMPTY) this.#onCloseHeader(step)
    else if (this.#closePayload) {
      this.#closePayload.push(chunk.subarray(start, end))
      if (step === STEP.END) this.#closed(Buffer.concat(this.#closePayload))
    }
  }

  #onCloseHeader(step: number): void {
    if (step === STEP.EMPTY) this.#closed(EMPTY)
    else this.#closePayload = []
  }

  #closed(payload: Buffer): void {
    this.#closePayload = undefined
    this.closedBySource = true
    applyMask(payload, this.#reader.mask)
    this.#listener.onCloseFrame(this, payload)
  }

  /** The stream is no longer what it should be, from `offset` on. */
  #fail(chunk: Buffer, passed: number, offset: number): void {
    this.#opaque = true
    if (this.#reader.error === TOO_BIG) {
      this.#pass(chunk, passed, offset)
      this.#held = undefined
      this.#listener.onTooBig(this)
      return
    }
    // Whoever is at the other end answers this, as they would without us (RFC 6455 §7.1.7).
    for (const bytes of this.#held?.frames ?? []) this.#write(bytes)
    this.#held = undefined
    this.#pass(chunk, passed, chunk.length)
    this.#dismiss()
  }

  /** Writes what has waited for this place in the stream, if this is one. */
  #settle(): void {
    if (this.#farewell) {
      if (this.#betweenFrames) this.#sayFarewell()
    } else if (this.#waiting && this.#betweenMessages) {
      for (const { bytes, done } of this.#waiting) this.target.write(bytes, done)
      this.#waiting = undefined
      this.#waitingBytes = 0
    }
  }

  #sayFarewell(): void {
    if (this.#farewell && !this.#ended && this.target.writable) this.target.write(this.#farewell)
    this.#farewell = undefined
    this.abandon()
  }

  #dismiss(): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    this.#waitingBytes = 0
    for (const { done } of waiting) done(new Error('the stream has ended'))
  }

  #pass(chunk: Buffer, start: number, end: number): void {
    if (end > start) this.#write(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  #write(bytes: Buffer): void {
    if (!this.#ended && this.target.writable) this.target.write(bytes)
  }

  /** Frames to an upstream are a client's: masked (RFC 6455 §5.1). */
  #mask(): number | undefined {
    return this.direction === 'inbound' ? nextMask() : undefined
  }
}

const TOO_BIG = 1009
