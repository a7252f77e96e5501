import type { ByteAllowance } from '../../websocket/byte-allowance.ts'
import { CountedBuffer } from '../../websocket/counted-buffer.ts'

/** Where messages pass only whole: a source that may be cut off and replaced must leave no part of one behind. */
export interface WholeMessages {
  /** A larger message passes as it comes. */
  readonly maxBytes: number
  /** Memory for the parts that have come; where there is none, messages pass as they come. */
  readonly room: ByteAllowance
}

/** What is known of a message that has not come to its end. */
export interface Expected {
  /** Bytes of its payload, as far as its headers tell. */
  readonly declared: number
  /** Bytes that are still to come, where that is known. */
  readonly missing: number | undefined
}

/** Steps of the clock after which the part that has come passes: a source that takes so long streams it on purpose. */
const MAX_AGE = 2

/**
 * Keeps the part that has come of the message that a stream is in the middle of, its frames and the control frames between them as they came.
 * As long as it does, nothing of that message has passed.
 */
export class PartialMessage {
  readonly #limits: WholeMessages
  #buffer: CountedBuffer | undefined
  #age = 0
  /** Whether a part of the message has passed: then the rest has to. */
  #passes = false

  constructor(limits: WholeMessages) {
    this.#limits = limits
  }

  /** Whether there is a part that has not passed. */
  get any(): boolean {
    return this.#buffer !== undefined
  }

  /** Memory that it takes. */
  get bytes(): number {
    return this.#buffer?.bytes ?? 0
  }

  /**
   * Keeps a further part of the message.
   *
   * @returns `false` where the message is not kept: what was kept so far has to pass, and then this part
   */
  keep(chunk: Buffer, start: number, end: number, { declared, missing }: Expected): boolean {
    if (this.#passes) return false
    this.#buffer ??= new CountedBuffer(this.#limits.room)
    this.#passes = declared > this.#limits.maxBytes || !this.#append(this.#buffer, chunk, start, end, missing)
    return !this.#passes
  }

  /** Takes the memory for the whole message at once, where its size is known: one that has no room is not begun. */
  #append(buffer: CountedBuffer, chunk: Buffer, start: number, end: number, missing?: number): boolean {
    if (missing !== undefined && !buffer.reserve(buffer.length + end - start + missing)) return false
    return buffer.append(chunk, start, end)
  }

  /** A step of the clock. @returns whether what is kept has to pass */
  age(): boolean {
    if (!this.#buffer || ++this.#age < MAX_AGE) return false
    this.#passes = true
    return true
  }

  /** Gives up what is kept because it has to pass: then the rest has to. */
  letPass(): Buffer | undefined {
    if (this.#buffer) this.#passes = true
    return this.take()
  }

  /** Gives up what is kept. */
  take(): Buffer | undefined {
    const bytes = this.#buffer?.release()
    this.#buffer = undefined
    this.#age = 0
    return bytes?.length ? bytes : undefined
  }

  /** The message has ended. Gives up what is kept of it. */
  end(): Buffer | undefined {
    this.#passes = false
    return this.take()
  }
}
