import type { Socket } from 'node:net'
import { writeLent } from '../socket/read-buffer.ts'

const NO_BYTES = Buffer.alloc(0)
/** Memory that a waiting write takes beyond its bytes. */
const PIECE_BYTES = 256

/** Writes the bytes of one stream to its target. */
export class PipeWriter {
  target: Socket
  /** Nothing is written any more. */
  ended = false
  /** Whether bytes are only lent, as chunks of sockets are (read-buffer.ts): they are overwritten after their event. */
  lent = true
  /** Writes since the target had nothing to write. */
  #pieces = 0

  constructor(target: Socket) {
    this.target = target
  }

  /** Bytes that wait to be written, with the memory that their number costs. */
  get queuedBytes(): number {
    const { writableLength } = this.target
    if (writableLength === 0) this.#pieces = 0
    return writableLength + this.#pieces * PIECE_BYTES
  }

  /** Calls back when all that waits to be written now is with the kernel, or will never be. */
  whenWritten(done: () => void): void {
    this.target.write(NO_BYTES, done)
  }

  writePart(chunk: Buffer, start: number, end: number): void {
    if (end > start) this.write(start === 0 && end === chunk.length ? chunk : chunk.subarray(start, end))
  }

  write(bytes: Buffer): void {
    const { target } = this
    if (this.ended || !target.writable) return
    if (this.lent) writeLent(target, bytes)
    else target.write(bytes)
    if (target.writableLength > 0) this.#pieces++
  }

  /** Returns bytes that stay as they are after their event. */
  own(bytes: Buffer): Buffer {
    return this.lent ? Buffer.from(bytes) : bytes
  }
}
