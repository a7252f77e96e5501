import type { OptionsOf } from './bridge-options.ts'
import type { Side } from './socket/socket-handler.ts'

/** What is to be done about a side that has been silent, or about the other one that does not read. */
export type Verdict = 'ping' | 'idle' | 'slow' | undefined

/** When each side of a connection may be read, and when it was last heard of. */
export class FlowControl {
  readonly #clock: { readonly now: number }
  readonly #holds = { client: 0, upstream: 0 }
  readonly #full = { client: false, upstream: false }
  /** Sweep in which a side was last heard of, and in which the reading of a side was stopped for a full queue. */
  readonly #seen: Record<Side, number>
  readonly #fullSince = { client: 0, upstream: 0 }

  constructor(clock: { readonly now: number }) {
    this.#clock = clock
    this.#seen = { client: clock.now, upstream: clock.now }
  }

  /** Sweep in which a side was last heard of. */
  seen(side: Side): number {
    return this.#seen[side]
  }

  heard(side: Side): void {
    this.#seen[side] = this.#clock.now
  }

  /** Whether a side must not be read. */
  stops(side: Side): boolean {
    return this.#full[side] || this.#holds[side] > 0
  }

  /** Whether what a side has sent is still being worked on. */
  isHeld(side: Side): boolean {
    return this.#holds[side] > 0
  }

  hold(side: Side): void {
    this.#holds[side]++
  }

  release(side: Side): void {
    this.#holds[side]--
    this.heard(side)
  }

  /** What a side sends does not fit any more. Returns whether that is news. */
  fill(side: Side): boolean {
    if (this.#full[side]) return false
    this.#full[side] = true
    this.#fullSince[side] = this.#clock.now
    return true
  }

  /** What a side sends fits again. Returns whether that is news. */
  empty(side: Side): boolean {
    if (!this.#full[side]) return false
    this.#full[side] = false
    this.heard(side)
    return true
  }

  /** To be asked once for every step of the clock. */
  judge(
    side: Side,
    { pingAfter, idleAfter, slowAfter }: Pick<OptionsOf<unknown>, 'pingAfter' | 'idleAfter' | 'slowAfter'>,
  ): Verdict {
    // What it has sent is still being worked on, and that has a time limit of its own.
    if (this.#holds[side] > 0) return undefined
    const { now } = this.#clock
    // A side whose reading we have stopped cannot be heard of; it is the other one that is too slow.
    if (this.#full[side]) return slowAfter > 0 && now - this.#fullSince[side] >= slowAfter ? 'slow' : undefined
    const silent = now - this.#seen[side]
    if (idleAfter[side] > 0 && silent >= idleAfter[side]) return 'idle'
    return pingAfter[side] > 0 && silent > 0 && silent % pingAfter[side] === 0 ? 'ping' : undefined
  }
}
