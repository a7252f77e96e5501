import type { TappedPipe } from './pipe-options.ts'
import type { PipeWriter } from './pipe-writer.ts'

/** Shared by all that have nothing; never written to. */
const NOTHING: readonly Buffer[] = []

/** The place between two messages where a stream stops or pauses, and the bytes that have come after it. */
export class StopPoint<P extends TappedPipe<P>> {
  /** Whether nothing passes, at a place between two messages. */
  stopped = false
  /** Whether the stream is to stop at the next such place. */
  stopping = false
  /** Whether no further message passes for now, because the source sends more than is taken. */
  paused = false
  /** Bytes that have come after the place. */
  bytes = 0
  #chunks: Buffer[] | undefined
  readonly #pipe: P
  readonly #writer: PipeWriter

  constructor(pipe: P, writer: PipeWriter) {
    this.#pipe = pipe
    this.#writer = writer
  }

  /** The place where the stream was to stop has come. @param rest of the chunk at hand */
  stopHere(rest: Buffer | undefined): void {
    this.stopping = false
    this.stopped = true
    if (rest) this.stash(rest)
    this.#pipe.listener.onStopped(this.#pipe)
  }

  /** Takes a stop back. */
  clear(): void {
    this.stopping = false
    this.stopped = false
  }

  stash(bytes: Buffer): void {
    this.#chunks ??= []
    this.#chunks.push(this.#writer.own(bytes))
    this.bytes += bytes.length
  }

  /** Gives up what has come after the place, in its order. */
  take(): readonly Buffer[] {
    const chunks = this.#chunks ?? NOTHING
    this.#chunks = undefined
    this.bytes = 0
    return chunks
  }
}
