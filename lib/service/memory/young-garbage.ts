import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** The fraction of the budget (1/n) that may be young garbage, with a lower bound in bytes. */
const PART = 32
const LEAST_BYTES = 2 << 20

/** V8's collector of young objects, which is only exposed on request. */
function v8Minor(): () => void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (options: { type: 'minor' }) => void
  setFlagsFromString('--no-expose-gc')
  return () => collect({ type: 'minor' })
}

/**
 * Collects buffers that Node has allocated for reads and that are no longer used. V8 would leave tens of MiB of them,
 * and the C allocator would keep that memory; collecting young objects alone takes about a millisecond.
 */
export class YoungGarbage {
  readonly #most: number
  readonly #collect: () => void
  #bytes = 0

  /** @param budget of the process in bytes; may be infinite */
  constructor(budget: number, collect = v8Minor()) {
    this.#most = Math.max(LEAST_BYTES, budget / PART)
    this.#collect = collect
  }

  /** Adds bytes that were read into a buffer of their own. */
  add(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < this.#most) return
    this.#bytes = 0
    this.#collect()
  }
}
