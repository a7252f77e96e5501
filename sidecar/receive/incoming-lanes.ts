import { ExpiringMap } from '../expiring-map.ts'
import type { Answer } from '../transport/outcome.ts'
import { isBefore } from '../transport/serial-numbers.ts'

/** Number of lanes remembered per sender: their last starts, and, for a time in milliseconds, the stopped ones. */
const MAX_STARTS = 4096
const MAX_STOPPED = 10_000
const STOPPED_MS = 60_000

/** Approximate memory of one start and one stopped lane, in bytes. */
const START_BYTES = 64
const STOPPED_BYTES = 128

/** The order of one sender's lanes: where each has last started, and which ones have stopped. */
export class IncomingLanes {
  readonly #onGrown: (bytes: number) => void
  /** Id of the message that last started each lane. Two generations bound the memory. */
  #starts = new Map<number, number>()
  #olderStarts = new Map<number, number>()
  /** Answers of lanes with an undelivered message. */
  readonly #stopped = new ExpiringMap<number, Answer>({ keepMs: STOPPED_MS, maxEntries: MAX_STOPPED })

  /** @param onGrown called with the number of bytes that the lanes take more */
  constructor(onGrown: (bytes: number) => void) {
    this.#onGrown = onGrown
  }

  /** Approximate memory of the lanes. */
  get bytes(): number {
    return (this.#starts.size + this.#olderStarts.size) * START_BYTES + this.#stopped.size * STOPPED_BYTES
  }

  /** The message starts its lane, which is not stopped any more. */
  start(lane: number, id: number): void {
    if (this.#starts.size >= MAX_STARTS) {
      this.#olderStarts = this.#starts
      this.#starts = new Map()
    }
    const { size } = this.#starts
    this.#starts.set(lane, id)
    if (this.#starts.size > size) this.#onGrown(START_BYTES)
    this.#stopped.delete(lane)
  }

  /** Whether the sender has given up this message and gone on in its lane. */
  isOld(lane: number, id: number): boolean {
    const start = this.#starts.get(lane) ?? this.#olderStarts.get(lane)
    return start !== undefined && isBefore(id, start)
  }

  /** The message was not delivered: later ones of its lane get the same answer until the lane starts again. */
  stop(lane: number, id: number, answer: Answer): void {
    if (this.isOld(lane, id)) return
    this.#stopped.set(lane, answer)
    this.#onGrown(STOPPED_BYTES)
  }

  /** The answer for messages of a stopped lane; `undefined`: it is not stopped. */
  stopped(lane: number): Answer | undefined {
    return this.#stopped.get(lane)
  }

  forget(): void {
    this.#starts.clear()
    this.#olderStarts.clear()
    this.#stopped.clear()
  }
}
