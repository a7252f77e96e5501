import type { OptionsOf } from './bridge-options.ts'
import type { Side } from './socket/socket-handler.ts'

/** Action for a side that is idle, or whose peer has stopped reading. */
export type Verdict = 'ping' | 'idle' | 'slow' | undefined

/** Tracks when each side of a connection may be read, and when it was last active. */
export class FlowControl {
  readonly #clock: { readonly now: number }
  readonly #holds = { client: 0, upstream: 0 }
  readonly #full = { client: false, upstream: false }
  /** The sweep in which a side last sent something, and in which a full queue stopped its reading. */
  readonly #seen: Record<Side, number>
  readonly #fullSince = { client: 0, upstream: 0 }

  constructor(clock: { readonly now: number }) {
    this.#clock = clock
    this.#seen = { client: clock.now, upstream: clock.now }
  }

  /** The sweep in which a side was last active. */
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

  /** Whether messages of a side are still being processed. */
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

  /** The queue for what a side sends is full. Returns whether that is a change. */
  fill(side: Side): boolean {
    if (this.#full[side]) return false
    this.#full[side] = true
    this.#fullSince[side] = this.#clock.now
    return true
  }

  /** The queue for what a side sends has room again. Returns whether that is a change. */
  empty(side: Side): boolean {
    if (!this.#full[side]) return false
    this.#full[side] = false
    this.heard(side)
    return true
  }

  /** Must be called once per step of the clock. */
  judge(
    side: Side,
    { pingAfter, idleAfter, slowAfter }: Pick<OptionsOf<unknown>, 'pingAfter' | 'idleAfter' | 'slowAfter'>,
  ): Verdict {
    // Its messages are still being processed, which has its own time limit.
    if (this.#holds[side] > 0) return undefined
    const { now } = this.#clock
    // A side that we do not read cannot show activity; its peer is the slow one.
    if (this.#full[side]) return slowAfter > 0 && now - this.#fullSince[side] >= slowAfter ? 'slow' : undefined
    const silent = now - this.#seen[side]
    if (idleAfter[side] > 0 && silent >= idleAfter[side]) return 'idle'
    return pingAfter[side] > 0 && silent > 0 && silent % pingAfter[side] === 0 ? 'ping' : undefined
  }
}
