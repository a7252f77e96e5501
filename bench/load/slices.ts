/** Short enough that much of the time stays when other programs are busy now and then. */
const SLICE_MS = 100
/** How late the load generator's timer, which fires every millisecond, may be. */
const LATE_MS = 5
/** How long the proxy may have waited for its core in a slice. */
const WAIT_MS = 5

/**
 * The time of a measurement in slices, and which of them were disturbed: other programs had a core of the benchmark. That shows in
 * two things that the proxy has no part in: the load generator's own timer was late, or the proxy was ready to run and got no
 * core.
 */
export class Slices {
  readonly #start: number
  readonly #waited: () => number
  #lastTick: number
  #waitedBefore: number
  /** Of the slice under way. */
  #index = 0
  readonly #disturbed: boolean[] = []

  /**
   * @param start in ms, as all times here
   * @param waited how long the proxy has waited for its core so far, in ms
   */
  constructor(start: number, waited: () => number) {
    this.#start = start
    this.#lastTick = start
    this.#waited = waited
    this.#waitedBefore = waited()
  }

  /** To be called whenever the load generator's timer fires. */
  tick(now: number): void {
    if (now - this.#lastTick > LATE_MS) this.#disturb(this.#indexOf(this.#lastTick), this.#indexOf(now))
    this.#lastTick = now
    const index = this.#indexOf(now)
    if (index === this.#index) return
    const waited = this.#waited()
    if (waited - this.#waitedBefore > WAIT_MS) this.#disturb(this.#index, index - 1)
    this.#waitedBefore = waited
    this.#index = index
  }

  #indexOf(time: number): number {
    return Math.floor((time - this.#start) / SLICE_MS)
  }

  #disturb(first: number, last: number): void {
    for (let index = first; index <= last; index++) this.#disturbed[index] = true
  }

  /** Whether nothing disturbed the slices from one time to another. */
  calm(from: number, to: number): boolean {
    const last = this.#indexOf(to)
    for (let index = this.#indexOf(from); index <= last; index++) if (this.#disturbed[index]) return false
    return true
  }

  /** How much of the time was calm, slices that are not over left out. */
  get calmMs(): number {
    let calm = 0
    for (let index = 0; index < this.#index; index++) if (!this.#disturbed[index]) calm += SLICE_MS
    return calm
  }
}
