import { type FrameReader, OPCODE } from '../../websocket/frames.ts'

/** A part of a pipe that may hold a message, of which nothing has passed then. */
interface Holder {
  readonly isHolding: boolean
}

/** Where in its stream a pipe is: only in some places frames of ours can be put in, or another stream can go on. */
export class StreamPosition {
  /** These are no frames of RFC 6455: they pass unread, and the ends will tell each other. */
  opaque = false
  readonly #reader: FrameReader
  readonly #addressed: Holder | undefined
  readonly #whole: Holder | undefined

  constructor(reader: FrameReader, addressed: Holder | undefined, whole: Holder | undefined) {
    this.#reader = reader
    this.#addressed = addressed
    this.#whole = whole
  }

  /** Whether the target is between two frames: of a held message only a control frame can be half way. */
  get betweenFrames(): boolean {
    if (this.opaque) return false
    if (this.#whole?.isHolding) return true
    return this.#addressed?.isHolding ? !this.#inControlFrame : this.#reader.betweenFrames
  }

  /** Whether the target is between two messages: it has no part of one without the rest. */
  get betweenMessages(): boolean {
    if (this.opaque) return false
    if (this.#whole?.isHolding) return true
    return this.#addressed?.isHolding ? !this.#inControlFrame : this.#reader.betweenMessages
  }

  /** Whether the source is between two messages, and nothing of the last one is held. */
  get atEnd(): boolean {
    return !this.opaque && this.#reader.betweenMessages && !this.#addressed?.isHolding
  }

  get #inControlFrame(): boolean {
    return !this.#reader.betweenFrames && this.#reader.opcode >= OPCODE.CLOSE
  }
}
