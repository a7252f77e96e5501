import { type BufferedControlFrame, ControlFrames } from '../../../websocket/control-frames.ts'
import type { FrameReader } from '../../../websocket/frames.ts'
import type { TappedPipe } from '../pipe-options.ts'
import type { PipeWriter } from '../pipe-writer.ts'
import type { WholeMessageWriter } from '../whole-messages.ts'
import { TAP } from './tap.ts'

/** Routes the control frames of a stream: to the other side, to the listener, or to both. */
export class ControlTap<P extends TappedPipe<P>> {
  /** Whether the source's close frame was read. */
  closed = false
  readonly #pipe: P
  readonly #reader: FrameReader
  readonly #writer: PipeWriter
  readonly #whole: WholeMessageWriter | undefined
  readonly #frames: ControlFrames
  /** The source's close frame, while it is held back. */
  #closeFrame: readonly Buffer[] | undefined

  /** @param secret of the control pings in this stream */
  constructor(
    pipe: P,
    reader: FrameReader,
    writer: PipeWriter,
    whole: WholeMessageWriter | undefined,
    secret: Buffer | undefined,
  ) {
    this.#pipe = pipe
    this.#reader = reader
    this.#writer = writer
    this.#whole = whole
    this.#frames = new ControlFrames(secret)
  }

  /** Whether the stream must be read frame by frame. */
  get isWaiting(): boolean {
    return this.#frames.busy || this.#frames.expectedPong !== undefined || this.#closeFrame !== undefined
  }

  /** Whether the source's close frame is held back here. */
  get keepsClose(): boolean {
    return this.#closeFrame !== undefined
  }

  /** The next pong with this payload is taken out of the stream, once. */
  expectPong(payload: Buffer): void {
    this.#frames.expectedPong = payload
  }

  /** Decides on a step of a control frame. @returns a {@link TAP} */
  see(step: number): number {
    return this.#frames.busy || this.#frames.looksAt(this.#reader, step) ? TAP.HOLD : TAP.PASS
  }

  /** Keeps a piece of a control frame; a complete frame is routed. */
  keep(chunk: Buffer, start: number, end: number, step: number): void {
    const frame = this.#frames.keep(this.#reader, chunk, start, end, step)
    if (frame && this.#passes(frame)) for (const bytes of frame.frames) this.#writer.write(bytes)
  }

  #passes({ kind, payload, frames }: BufferedControlFrame): boolean {
    switch (kind) {
      case 'close':
        return this.#close(payload, frames)
      case 'control':
        this.#pipe.listener.onControl(this.#pipe, payload)
        return false
      case 'pong':
        this.#pipe.listener.onPong(this.#pipe, payload)
        return false
      case 'late':
        return false
      case 'other':
        return true
    }
  }

  #close(payload: Buffer, frames: readonly Buffer[]): boolean {
    this.closed = true
    const passes = this.#pipe.listener.onCloseFrame(this.#pipe, payload)
    if (passes) this.#whole?.passPartial()
    else this.#closeFrame = frames
    return passes
  }

  /** Lets the source's close frame pass, which the listener has held back. */
  passClose(): void {
    this.#whole?.passPartial()
    for (const bytes of this.#closeFrame ?? []) this.#writer.write(bytes)
    this.#closeFrame = undefined
  }

  /** Passes the piece of a frame that did not end. */
  passRest(): void {
    for (const bytes of this.#frames.take()) this.#writer.write(bytes)
  }
}
