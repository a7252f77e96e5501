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
  #bytes = 0

  constructor(maxMessageBytes: number, frameMs = FRAME_MS) {
    this.#maxBytes = Math.max(MIN_BYTES, MESSAGES * maxMessageBytes)
    this.frameMs = frameMs
  }

  /** Bytes that are held. */
  get bytes(): number {
    return this.#bytes
  }

  /** A link holds so many bytes more than before, or fewer; returns whether that is not too much. */
  change(bytes: number): boolean {
    this.#bytes += bytes
    return this.#bytes <= this.#maxBytes
  }
}
