import { applyMask, type FrameReader, OPCODE, STEP } from './frames.ts'

/**
 * Records the first text message of a stream, for apps to which a client introduces itself in that message: another upstream
 * needs it again. What is longer than the limit is not recorded.
 */
export class FirstText {
  /** The payload, once the message has ended. */
  payload: Buffer | undefined
  readonly #maxBytes: number
  /** Whether the message under way is text. */
  #text = false
  #pieces: Buffer[] = []

  /** @param maxBytes of the payload */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Sees a step of the reader, of a frame that is no control frame.
   *
   * @param start where the step began in the chunk
   * @param end where it ended
   * @returns whether there is nothing more to see
   */
  see(reader: FrameReader, chunk: Buffer, start: number, end: number, step: number): boolean {
    const { opcode, length, remaining, mask } = reader
    if (opcode !== OPCODE.CONTINUATION) this.#text = opcode === OPCODE.TEXT
    if (!this.#text) return false
    if (step === STEP.HEADER || step === STEP.EMPTY) {
      if (reader.messageBytes > this.#maxBytes) return this.#end(undefined)
    } else {
      // A copy: it outlives the chunk, and the chunk goes on as it came.
      const piece = Buffer.from(chunk.subarray(start, end))
      applyMask(piece, mask, length - remaining - piece.length)
      this.#pieces.push(piece)
    }
    const whole = (step === STEP.END || step === STEP.EMPTY) && reader.fin
    return whole && this.#end(Buffer.concat(this.#pieces))
  }

  #end(payload: Buffer | undefined): boolean {
    this.payload = payload
    this.#pieces = []
    return true
  }
}
