import type { Socket } from 'node:net'
import { writeLent } from '../socket/read-buffer.ts'

const NO_BYTES = Buffer.alloc(0)
/** Memory overhead of a waiting write. */
const PIECE_BYTES = 256

/** Writes the bytes of one stream to its target. */
export class PipeWriter {
  target: Socket
  /** No further bytes are written. */
  ended = false
  /** Whether bytes are only lent, as socket chunks are (read-buffer.ts): they are overwritten after their event. */
  lent = true
  /** Writes since the target's queue was last empty. */
  #pieces = 0

  constructor(target: Socket) {
    this.target = target
  }

  /** Bytes waiting to be written, including the overhead per write. */
  get queuedBytes(): number {
    const { writableLength } = this.target
    if (writableLength === 0) this.#pieces = 0
    return writableLength + this.#pieces * PIECE_BYTES
  }

  /** Calls back when the kernel has all bytes that wait now, or when they can no longer be written. */
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

  /** Returns bytes that stay valid after their event. */
  own(bytes: Buffer): Buffer {
    return this.lent ? Buffer.from(bytes) : bytes
  }
}
