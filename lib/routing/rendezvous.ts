import { assertUnique, type Member } from './members.ts'
import { fmix32 } from './murmur3.ts'
import { TextHash } from './text-hash.ts'

// The first 128 bits of the fraction of pi. Keys and members use different seeds: otherwise a key equal to a member's
// name would hash to 0 with it, the lowest possible value.
const KEY_SEED_HI = 0x243f6a88
const KEY_SEED_LO = 0x85a308d3
const MEMBER_SEED_HI = 0x13198a2e
const MEMBER_SEED_LO = 0x03707344

/** Exceeds 1 by far more than the combined rounding error of a logarithm, a product and a quotient of doubles. */
const SCORE_MARGIN = 1 + 1e-9

/** Up to this number, the first members of the order are selected one by one; above it, sorting all is cheaper. */
const FEW = 16

/**
 * An immutable set of members that knows the owner of every key: weighted rendezvous hashing (Thaler and Ravishankar,
 * "Using Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6(1), 1998), weighted by the
 * logarithmic method (score −w/ln u). Programs with the same members agree on every owner without communication, and a
 * joining or leaving member moves only its own keys. docs/routing.md specifies the arithmetic for other languages.
 */
export class MemberSet {
  static readonly empty: MemberSet = new MemberSet([])

  /** Sorted by name. */
  readonly members: readonly Member[]
  readonly #indexOf: ReadonlyMap<string, number>
  readonly #hi: Uint32Array
  readonly #lo: Uint32Array
  readonly #weights: Float64Array
  /** Hash of the key that is being looked up. */
  readonly #key: TextHash
  /** Whether all weights are equal: then scores are integers, which are exact in every language. */
  readonly #uniform: boolean

  /**
   * @param members in any order
   * @param previous a set with most of these members, whose hashes are reused
   * @throws {Error} if a name occurs twice
   */
  static of(members: readonly Member[], previous?: MemberSet): MemberSet {
    return members.length === 0 ? MemberSet.empty : new MemberSet(members, previous)
  }

  private constructor(members: readonly Member[], previous?: MemberSet) {
    const sorted = [...members].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.members = Object.freeze(sorted)
    this.#indexOf = new Map(sorted.map(({ name }, i) => [name, i]))
    if (this.#indexOf.size < sorted.length) assertUnique(sorted)
    this.#key = previous ? previous.#key : new TextHash()
    this.#hi = new Uint32Array(sorted.length)
    this.#lo = new Uint32Array(sorted.length)
    this.#weights = Float64Array.from(sorted, ({ weight }) => weight)
    for (const [i, { name }] of sorted.entries()) {
      const known = previous ? previous.#indexOf.get(name) : undefined
      if (previous && known !== undefined) {
        this.#hi[i] = previous.#hi[known]!
        this.#lo[i] = previous.#lo[known]!
      } else {
        this.#key.update(name, MEMBER_SEED_HI, MEMBER_SEED_LO)
        this.#hi[i] = this.#key.lanes[0]!
        this.#lo[i] = this.#key.lanes[1]!
      }
    }
    this.#uniform = this.#weights.every(weight => weight === this.#weights[0])
  }

  get size(): number {
    return this.members.length
  }

  /** The member with this name (`host:port`). */
  get(name: string): Member | undefined {
    return this.members[this.#indexOf.get(name) ?? -1]
  }

  /** The member that owns a key; `undefined` only in an empty set. */
  owner(key: string): Member | undefined {
    this.#key.update(key, KEY_SEED_HI, KEY_SEED_LO)
    return this.members[this.#uniform ? this.#highestDraw() : this.#highestScore()]
  }

  // In both methods members are sorted by name, so the first of equal scores wins.

  /** Computes the low lane only when high lanes are equal, which is rare. */
  #highestDraw(): number {
    const keyHi = this.#key.lanes[0]!
    let bestHi = -1
    let best = -1
    for (let i = 0; i < this.#hi.length; i++) {
      const hi = fmix32(keyHi ^ this.#hi[i]!)
      if (hi > bestHi || (hi === bestHi && this.#score(i) > this.#score(best))) {
        bestHi = hi
        best = i
      }
    }
    return best
  }

  /**
   * Computes a logarithm only if the high lane leaves a chance to win: ln u ≤ u − 1, so a score is at most w ⁄ (1 − u).
   */
  #highestScore(): number {
    const keyHi = this.#key.lanes[0]!
    let bestScore = 0
    let best = -1
    for (let i = 0; i < this.#hi.length; i++) {
      // A lower bound of 1 − u, for any low lane.
      const rest = (0xffffffff - fmix32(keyHi ^ this.#hi[i]!)) / 0x100000000
      if (this.#weights[i]! * SCORE_MARGIN < bestScore * rest) continue
      const score = this.#score(i)
      if (score > bestScore) {
        bestScore = score
        best = i
      }
    }
    return best
  }

  /**
   * The members in the order in which they would own a key: if the first is gone, the second owns it.
   *
   * @param limit maximum number of members returned
   */
  rank(key: string, limit: number = this.size): Member[] {
    this.#key.update(key, KEY_SEED_HI, KEY_SEED_LO)
    const order = limit <= FEW && limit < this.size ? this.#first(limit) : this.#order().subarray(0, limit)
    return Array.from(order, i => this.members[i]!)
  }

  #order(): Uint32Array {
    const scores = Float64Array.from(this.#hi, (_, i) => this.#score(i))
    return Uint32Array.from(scores.keys()).sort((a, b) => scores[b]! - scores[a]! || a - b)
  }

  /** The beginning of {@link #order}, without computing the rest. */
  #first(count: number): number[] {
    const order: number[] = []
    const scores: number[] = []
    for (let i = 0; i < this.#hi.length; i++) {
      const score = this.#score(i)
      let at = order.length
      while (at > 0 && score > scores[at - 1]!) at--
      if (at >= count) continue
      order.splice(at, 0, i)
      scores.splice(at, 0, score)
      if (order.length > count) {
        order.pop()
        scores.pop()
      }
    }
    return order
  }

  /** The score of a member for the hashed key; the highest wins. */
  #score(index: number): number {
    const hi = fmix32(this.#key.lanes[0]! ^ this.#hi[index]!)
    const lo = fmix32(this.#key.lanes[1]! ^ this.#lo[index]! ^ hi)
    // 52 bits, so that adding a half is exact and the fraction never rounds to 0 or 1.
    const draw = hi * 0x100000 + (lo >>> 12)
    return this.#uniform ? draw : -this.#weights[index]! / Math.log((draw + 0.5) / 0x10000000000000)
  }
}
