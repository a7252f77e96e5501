import { FrameReader, OPCODE, STEP } from '../../../lib/websocket/frames.ts'
import { GrowingBuffer } from '../../../lib/websocket/growing-buffer.ts'
import type { Message } from '../../../lib/websocket/message.ts'

const NOTHING = Buffer.alloc(0)

/** Receives the events of a server's stream. The listener owns the payloads. */
export interface StreamListener {
  onMessage(message: Message): void
  onPing(payload: Buffer): void
  onPong(payload: Buffer): void
  onClose(payload: Buffer): void
}

/** Reads a server's messages (RFC 6455 §5) from a byte stream, independent of its chunk boundaries. */
export class MessageReader {
  readonly #reader: FrameReader
  readonly #listener: StreamListener
  #data = new GrowingBuffer()
  #control = new GrowingBuffer()
  #binary = false
  #isPaused = false
  /** Bytes received after the pause. */
  #rest = NOTHING

  /** @param maxMessageBytes a larger message is an error */
  constructor(maxMessageBytes: number, listener: StreamListener) {
    this.#reader = new FrameReader(false, maxMessageBytes)
    this.#listener = listener
  }

  /** Memory of incomplete messages, and of bytes waiting for {@link resume}. */
  get heldBytes(): number {
    return this.#data.capacity + this.#control.capacity + this.#rest.length
  }

  /** Whether bytes wait for {@link resume}. */
  get hasRest(): boolean {
    return this.#rest.length > 0
  }

  /** Stops reading at once, even within the current chunk. */
  pause(): void {
    this.#isPaused = true
  }

  /** Continues after a pause. @returns as {@link push} */
  resume(): number {
    this.#isPaused = false
    const rest = this.#rest
    this.#rest = NOTHING
    return this.push(rest)
  }

  /**
   * Reads a chunk, which the caller may reuse afterwards.
   *
   * @returns 0, or the close code of a protocol violation: 1002 or 1009
   */
  push(chunk: Buffer): number {
    const reader = this.#reader
    for (let offset = 0; offset < chunk.length; ) {
      if (this.#isPaused) {
        this.#rest = Buffer.concat([this.#rest, chunk.subarray(offset)])
        return 0
      }
      const before = offset
      const step = reader.read(chunk, before)
      if (step === STEP.ERROR) return reader.error
      offset = reader.position
      if (reader.inHeader) return 0
      this.#take(step, chunk, before, offset)
    }
    return 0
  }

  /** Takes one step of the frame reader: a header, or payload of the chunk between two offsets. */
  #take(step: number, chunk: Buffer, start: number, end: number): void {
    const { opcode } = this.#reader
    const isControl = opcode >= OPCODE.CLOSE
    if (step === STEP.MORE || step === STEP.END) (isControl ? this.#control : this.#data).append(chunk, start, end)
    else if (opcode === OPCODE.TEXT || opcode === OPCODE.BINARY) this.#binary = opcode === OPCODE.BINARY
    if (step === STEP.END || step === STEP.EMPTY) this.#end(isControl)
  }

  #end(isControl: boolean): void {
    const { opcode, message } = this.#reader
    if (!isControl) {
      if (message !== 0) return
      const data = this.#data.view()
      this.#data = new GrowingBuffer()
      this.#listener.onMessage({ data, binary: this.#binary })
      return
    }
    const payload = this.#control.view()
    this.#control = new GrowingBuffer()
    if (opcode === OPCODE.PING) this.#listener.onPing(payload)
    else if (opcode === OPCODE.PONG) this.#listener.onPong(payload)
    else this.#listener.onClose(payload)
  }
}
