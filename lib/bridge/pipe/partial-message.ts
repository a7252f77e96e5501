import type { ByteAllowance } from '../../websocket/byte-allowance.ts'
import { CountedBuffer } from '../../websocket/counted-buffer.ts'

/**
 * Limits for passing only complete messages, so that a source that is cut off and replaced leaves no partial message
 * behind.
 */
export interface WholeMessages {
  /** Larger messages pass as they arrive. */
  readonly maxBytes: number
  /** Memory for partial messages; when it is used up, messages pass as they arrive. */
  readonly room: ByteAllowance
}

/** What the headers tell of a message that has not ended. */
export interface Expected {
  /** Payload bytes declared by the headers so far. */
  readonly declared: number
  /** Bytes still to come, if known. */
  readonly missing: number | undefined
}

/** Steps of the clock after which a partial message passes: a source that takes that long is streaming on purpose. */
const MAX_AGE = 2

/**
 * Buffers the received part of the current message, with its frames and interleaved control frames unchanged. While it
 * holds a part, no byte of that message has passed.
 */
export class PartialMessage {
  readonly #limits: WholeMessages
  #buffer: CountedBuffer | undefined
  #age = 0
  /** Whether part of the message has passed: then the rest must pass too. */
  #passes = false

  constructor(limits: WholeMessages) {
    this.#limits = limits
  }

  /** Whether a part is buffered. */
  get any(): boolean {
    return this.#buffer !== undefined
  }

  /** Memory of the buffer. */
  get bytes(): number {
    return this.#buffer?.bytes ?? 0
  }

  /**
   * Buffers another part of the message.
   *
   * @returns `false` if the message is not buffered: the buffered bytes must pass, and then this part
   */
  keep(chunk: Buffer, start: number, end: number, { declared, missing }: Expected): boolean {
    if (this.#passes) return false
    this.#buffer ??= new CountedBuffer(this.#limits.room)
    this.#passes = declared > this.#limits.maxBytes || !this.#append(this.#buffer, chunk, start, end, missing)
    return !this.#passes
  }

  /** Reserves memory for the whole message if its size is known, so that a message that does not fit is not begun. */
  #append(buffer: CountedBuffer, chunk: Buffer, start: number, end: number, missing?: number): boolean {
    if (missing !== undefined && !buffer.reserve(buffer.length + end - start + missing)) return false
    return buffer.append(chunk, start, end)
  }

  /** A step of the clock. @returns whether the buffered part must pass */
  age(): boolean {
    if (!this.#buffer || ++this.#age < MAX_AGE) return false
    this.#passes = true
    return true
  }

  /** Releases the buffered part because it must pass; then the rest must pass too. */
  letPass(): Buffer | undefined {
    if (this.#buffer) this.#passes = true
    return this.take()
  }

  /** Releases the buffered part. */
  take(): Buffer | undefined {
    const bytes = this.#buffer?.release()
    this.#buffer = undefined
    this.#age = 0
    return bytes?.length ? bytes : undefined
  }

  /** The message has ended. Releases its buffered part. */
  end(): Buffer | undefined {
    this.#passes = false
    return this.take()
  }
}
