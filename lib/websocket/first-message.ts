import { applyMask, type FrameReader, OPCODE, STEP } from './frames.ts'
import { GrowingBuffer } from './growing-buffer.ts'
import { detach } from './message.ts'

/**
 * Records the first text message of a stream. Some apps expect clients to introduce themselves in it, so another
 * upstream needs it again. A message above the limit is not recorded.
 */
export class FirstMessage {
  /** The payload, once the message has ended. */
  payload: Buffer | undefined
  readonly #maxBytes: number
  /** Whether the current message is text. */
  #text = false
  #bytes = new GrowingBuffer()

  /** @param maxBytes of the payload */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /**
   * Sees a step of the reader outside control frames.
   *
   * @param start offset into the chunk where the step began
   * @param end offset where it ended
   * @returns whether recording is finished
   */
  see(reader: FrameReader, chunk: Buffer, start: number, end: number, step: number): boolean {
    const { opcode, length, remaining, mask } = reader
    if (opcode !== OPCODE.CONTINUATION) this.#text = opcode === OPCODE.TEXT
    if (!this.#text) return false
    if (step === STEP.HEADER || step === STEP.EMPTY) {
      if (reader.messageBytes > this.#maxBytes) return this.#end(undefined)
    } else {
      const before = this.#bytes.length
      this.#bytes.append(chunk, start, end)
      applyMask(this.#bytes.view().subarray(before), mask, length - remaining - (end - start))
    }
    const whole = (step === STEP.END || step === STEP.EMPTY) && reader.fin
    // It is kept for the life of the connection, so it must retain no larger memory.
    return whole && this.#end(detach({ data: this.#bytes.view(), binary: false }).data)
  }

  #end(payload: Buffer | undefined): boolean {
    this.payload = payload
    this.#bytes = new GrowingBuffer()
    return true
  }
}
