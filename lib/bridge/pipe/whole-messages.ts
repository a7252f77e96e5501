import { type FrameReader, OPCODE } from '../../websocket/frames.ts'
import { PartialMessage, type WholeMessages } from './partial-message.ts'
import type { PipeWriter } from './pipe-writer.ts'

/** Writes a stream message by message: a partial message waits for its rest, within limits. */
export class WholeMessageWriter {
  readonly #reader: FrameReader
  readonly #writer: PipeWriter
  readonly #partial: PartialMessage
  /** Offset up to which the current chunk consists of whole messages. */
  #boundary = 0

  constructor(reader: FrameReader, writer: PipeWriter, limits: WholeMessages) {
    this.#reader = reader
    this.#writer = writer
    this.#partial = new PartialMessage(limits)
  }

  /** Whether a partial message waits here: then no byte of it has passed. */
  get isHolding(): boolean {
    return this.#partial.any
  }

  /** Memory of the waiting part. */
  get bytes(): number {
    return this.#partial.bytes
  }

  /** A new chunk begins. */
  begin(): void {
    this.#boundary = 0
  }

  /** The reader has read a step of the chunk. */
  see(): void {
    if (this.#reader.betweenMessages) this.#boundary = this.#reader.position
  }

  /** Passes the whole messages of a range and keeps the part of the next one, if limits allow. */
  pass(chunk: Buffer, start: number, end: number): void {
    // The range may end before the boundary, if the bytes after it have left the stream.
    const boundary = Math.min(end, Math.max(start, this.#boundary))
    if (boundary > start) {
      const before = this.#partial.end()
      if (before) this.#writer.write(before)
      this.#writer.writePart(chunk, start, boundary)
    }
    if (boundary >= end) return
    const { fin, opcode, messageBytes, remaining } = this.#reader
    const missing = fin && opcode < OPCODE.CLOSE ? remaining : undefined
    if (this.#partial.keep(chunk, boundary, end, { declared: messageBytes, missing })) return
    this.passPartial()
    this.#writer.writePart(chunk, boundary, end)
  }

  passPartial(): void {
    const frames = this.#partial.take()
    if (frames) this.#writer.write(frames)
  }

  /** Passes the waiting part, and later the rest of its message. */
  passBegun(): void {
    const frames = this.#partial.letPass()
    if (frames) this.#writer.write(frames)
  }

  /** Drops the waiting part. */
  drop(): void {
    this.#partial.take()
  }

  /** A step of the clock: a part that has waited too long passes. */
  age(): void {
    if (this.#partial.age()) this.passPartial()
  }
}
