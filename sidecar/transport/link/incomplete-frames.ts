import type { Allotment } from '../../../lib/service/memory/allotment.ts'

/**
 * Cap on incomplete messages of all links: this number of the largest messages, or this number of bytes if that is
 * more.
 */
const MESSAGES = 4
const MIN_BYTES = 16_777_216

/** Time limit from the first byte of a frame to its last, in milliseconds. */
const FRAME_MS = 60_000

/**
 * Incomplete frames held by all links of a process. Each link has its window, but there may be many links, and a link
 * that never completes its frame would hold it as long as it pings.
 */
export class IncompleteFrames {
  readonly frameMs: number
  readonly #maxBytes: number
  readonly #maxMessageBytes: number
  readonly #memory: Allotment | undefined
  #bytes = 0

  /** @param memory allotment of links, if it is smaller; one message always finds room */
  constructor(maxMessageBytes: number, frameMs = FRAME_MS, memory?: Allotment) {
    this.#maxBytes = Math.max(MIN_BYTES, MESSAGES * maxMessageBytes)
    this.#maxMessageBytes = maxMessageBytes
    this.#memory = memory
    this.frameMs = frameMs
  }

  /** Number of bytes held. */
  get bytes(): number {
    return this.#bytes
  }

  /** Accounts for answers that wait to be written, or no longer do. Their number is limited per link. */
  answers(bytes: number): void {
    this.#memory?.change(bytes)
  }

  /** Accounts for a change in the bytes held by a link; returns whether the total is within its limits. */
  change(bytes: number): boolean {
    this.#bytes += bytes
    this.#memory?.change(bytes)
    if (this.#bytes <= this.#maxMessageBytes) return true
    return this.#bytes <= this.#maxBytes && this.#memory?.has(0) !== false
  }
}
