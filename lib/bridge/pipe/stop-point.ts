import type { TappedPipe } from './pipe-options.ts'
import type { PipeWriter } from './pipe-writer.ts'

/** Shared by all streams without stashed chunks; never written to. */
const NOTHING: readonly Buffer[] = []

/** The place between two messages where a stream stops or pauses, and the bytes that arrived after it. */
export class StopPoint<P extends TappedPipe<P>> {
  /** Whether the stream has stopped at a place between two messages. */
  stopped = false
  /** Whether the stream is to stop at the next place between two messages. */
  stopping = false
  /** Whether no further message passes for now, because the source sends more than is taken. */
  paused = false
  /** Bytes that arrived after the place. */
  bytes = 0
  #chunks: Buffer[] | undefined
  readonly #pipe: P
  readonly #writer: PipeWriter

  constructor(pipe: P, writer: PipeWriter) {
    this.#pipe = pipe
    this.#writer = writer
  }

  /** The stream has reached the place where it was to stop. @param rest of the current chunk */
  stopHere(rest: Buffer | undefined): void {
    this.stopping = false
    this.stopped = true
    if (rest) this.stash(rest)
    this.#pipe.listener.onStopped(this.#pipe)
  }

  /** Cancels a stop. */
  clear(): void {
    this.stopping = false
    this.stopped = false
  }

  stash(bytes: Buffer): void {
    this.#chunks ??= []
    this.#chunks.push(this.#writer.own(bytes))
    this.bytes += bytes.length
  }

  /** Releases the bytes that arrived after the place, in their order. */
  take(): readonly Buffer[] {
    const chunks = this.#chunks ?? NOTHING
    this.#chunks = undefined
    this.bytes = 0
    return chunks
  }
}
