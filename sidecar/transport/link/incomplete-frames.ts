import type { Allotment } from '../../../lib/service/memory/allotment.ts'

/** All links together may hold so many of the largest messages that are not complete, or so many bytes if that is more. */
const MESSAGES = 4
const MIN_BYTES = 16_777_216

/** Longest time from the first byte of a frame to its last, in milliseconds. */
const FRAME_MS = 60_000

/**
 * What all links of a process hold of frames that are not complete. Each link has its window, but there may be many links, and one
 * that never ends its frame would keep what it has for as long as it pings.
 */
export class IncompleteFrames {
  readonly frameMs: number
  readonly #maxBytes: number
  readonly #maxMessageBytes: number
  readonly #memory: Allotment | undefined
  #bytes = 0

  /** @param memory of links, where there is less of it; one message always finds room */
  constructor(maxMessageBytes: number, frameMs = FRAME_MS, memory?: Allotment) {
    this.#maxBytes = Math.max(MIN_BYTES, MESSAGES * maxMessageBytes)
    this.#maxMessageBytes = maxMessageBytes
    this.#memory = memory
    this.frameMs = frameMs
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Answers of a link wait to be written, or do so no more. Each link has a bound for them. */
  answers(bytes: number): void {
    this.#memory?.change(bytes)
  }

  /** A link holds so many bytes more than before, or fewer; returns whether that is not too much. */
  change(bytes: number): boolean {
    this.#bytes += bytes
    this.#memory?.change(bytes)
    if (this.#bytes <= this.#maxMessageBytes) return true
    return this.#bytes <= this.#maxBytes && this.#memory?.has(0) !== false
  }
}
