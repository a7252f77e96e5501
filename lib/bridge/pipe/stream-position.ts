import { type FrameReader, OPCODE } from '../../websocket/frames.ts'

/** A part of a pipe that may hold a message; no byte of a held message has passed. */
interface Holder {
  readonly isHolding: boolean
}

/**
 * Position of a pipe in its stream: our frames can be injected, or another stream can continue, only in some places.
 */
export class StreamPosition {
  /** The bytes are not frames of RFC 6455: they pass unparsed, and the two ends detect the error. */
  opaque = false
  readonly #reader: FrameReader
  readonly #addressed: Holder | undefined
  readonly #whole: Holder | undefined

  constructor(reader: FrameReader, addressed: Holder | undefined, whole: Holder | undefined) {
    this.#reader = reader
    this.#addressed = addressed
    this.#whole = whole
  }

  /** Whether the target is between two frames: while a message is held, only a control frame can be incomplete. */
  get betweenFrames(): boolean {
    if (this.opaque) return false
    if (this.#whole?.isHolding) return true
    return this.#addressed?.isHolding ? !this.#inControlFrame : this.#reader.betweenFrames
  }

  /** Whether the target is between two messages: it has no partial message. */
  get betweenMessages(): boolean {
    if (this.opaque) return false
    if (this.#whole?.isHolding) return true
    return this.#addressed?.isHolding ? !this.#inControlFrame : this.#reader.betweenMessages
  }

  /** Whether the source is between two messages and no message is held. */
  get atEnd(): boolean {
    return !this.opaque && this.#reader.betweenMessages && !this.#addressed?.isHolding
  }

  /** Whether the source has begun any message, or sends bytes that are no messages. */
  get hasBegun(): boolean {
    return this.opaque || this.#reader.messages > 0 || this.#reader.message !== 0
  }

  get #inControlFrame(): boolean {
    return !this.#reader.betweenFrames && this.#reader.opcode >= OPCODE.CLOSE
  }
}
