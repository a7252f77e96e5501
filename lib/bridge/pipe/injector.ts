import { encodeFrame, OPCODE } from '../../websocket/frames.ts'
import { nextMask } from '../../websocket/mask.ts'
import type { Message } from '../../websocket/message.ts'
import { corkUntilNextTick } from '../socket/batch-writes.ts'
import { InjectionQueue, type Place } from './injection-queue.ts'
import type { PipeWriter } from './pipe-writer.ts'

const FALSE = Promise.resolve(false)

/** Injects our own frames into a stream: messages, pings, pongs, and the close frame that ends it. */
export class Injector {
  readonly #writer: PipeWriter
  readonly #masked: boolean
  readonly #waiting = new InjectionQueue()
  /** Our close frame, until its place in the stream comes. */
  #closeFrame: Buffer | undefined

  /** @param masked whether the target is a server, which requires masked frames (RFC 6455 §5.1) */
  constructor(writer: PipeWriter, masked: boolean) {
    this.#writer = writer
    this.#masked = masked
  }

  /** Bytes of the waiting frames, without our close frame. */
  get bytes(): number {
    return this.#waiting.bytes
  }

  /** Whether a frame waits for its place. */
  get any(): boolean {
    return this.#waiting.any || this.#closeFrame !== undefined
  }

  /** Whether our close frame waits for its place; meanwhile bytes of the source are dropped. */
  get isClosing(): boolean {
    return this.#closeFrame !== undefined
  }

  /**
   * Writes a message, or keeps it until its place comes.
   *
   * @param here whether the stream is between two messages
   * @returns resolves when the kernel has it; `false` if it cannot be written
   */
  message({ data, binary, frame }: Message, here: boolean): Promise<boolean> {
    if (!this.#isOpen) return FALSE
    const shared = this.#masked ? undefined : frame
    const bytes = shared ?? encodeFrame(binary ? OPCODE.BINARY : OPCODE.TEXT, data, this.#mask())
    return this.#put(bytes, here, 'messages')
  }

  /** As {@link message}, with a ping or a pong. @param here whether the stream is between two frames */
  control(opcode: number, payload: Buffer, here: boolean): Promise<boolean> {
    return this.#isOpen ? this.#put(encodeFrame(opcode, payload, this.#mask()), here, 'frames') : FALSE
  }

  get #isOpen(): boolean {
    return !this.#writer.ended && !this.isClosing && this.#writer.target.writable
  }

  #put(bytes: Buffer, here: boolean, place: Place): Promise<boolean> {
    if (!here) return this.#waiting.wait(bytes, place)
    const { target } = this.#writer
    return new Promise(resolve => corkUntilNextTick(target, () => target.write(bytes, error => resolve(!error))))
  }

  /** Writes the frames that wait for this place; the stream is between two frames. */
  settle(betweenMessages: boolean): void {
    this.#waiting.write(this.#writer.target, betweenMessages)
  }

  /** Begins to end the stream; {@link writeClose} follows at the next place between two frames. */
  close(payload: Buffer): void {
    this.#closeFrame = encodeFrame(OPCODE.CLOSE, payload, this.#mask())
  }

  writeClose(): void {
    const { ended, target } = this.#writer
    if (this.#closeFrame && !ended && target.writable) target.write(this.#closeFrame)
    this.#closeFrame = undefined
  }

  /** Gives up the waiting frames, because their place will not come. */
  dismiss(): void {
    this.#waiting.dismiss()
  }

  #mask(): number | undefined {
    return this.#masked ? nextMask() : undefined
  }
}
