import { assertUnique, type Member } from './members.ts'
import { fmix32, murmur3 } from './murmur3.ts'

// The first 128 bits of the fraction of pi. Keys and members have seeds of their own: with the same ones, a key that equals
// a member's name would hash to 0 with it, the lowest value there is.
const KEY_SEED_HI = 0x243f6a88
const KEY_SEED_LO = 0x85a308d3
const MEMBER_SEED_HI = 0x13198a2e
const MEMBER_SEED_LO = 0x03707344

// Shared by all sets, so that a lookup allocates nothing: filled and read within one synchronous call.
const encoder = new TextEncoder()
const scratch = new Uint8Array(2048)
const lanes = new Uint32Array(2)

/**
 * An immutable set of members that knows the owner of every key: weighted rendezvous hashing (Thaler and Ravishankar, "Using
 * Name-Based Mappings to Increase Hit Rates", IEEE/ACM Transactions on Networking 6(1), 1998), weighted by the logarithmic method
 * (score −w/ln u). Programs that have the same members agree on every owner without talking to each other, and a member
 * that comes or goes moves only its own keys. docs/routing.md specifies the arithmetic for other languages.
 */
export class MemberSet {
  static readonly empty: MemberSet = new MemberSet([])

  /** In the order of their names. */
  readonly members: readonly Member[]
  readonly #byName: ReadonlyMap<string, Member>
  readonly #hi: Uint32Array
  readonly #lo: Uint32Array
  /** Members with equal weights are compared as integers, which is exact in every language. */
  readonly #uniform: boolean

  /**
   * @param members in any order
   * @throws {Error} if a name occurs twice
   */
  static of(members: readonly Member[]): MemberSet {
    return members.length === 0 ? MemberSet.empty : new MemberSet(members)
  }

  private constructor(members: readonly Member[]) {
    assertUnique(members)
    const sorted = [...members].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.members = Object.freeze(sorted)
    this.#byName = new Map(sorted.map(member => [member.name, member]))
    this.#hi = new Uint32Array(sorted.length)
    this.#lo = new Uint32Array(sorted.length)
    for (const [i, { name }] of sorted.entries()) {
      hashInto(lanes, name, MEMBER_SEED_HI, MEMBER_SEED_LO)
      this.#hi[i] = lanes[0]!
      this.#lo[i] = lanes[1]!
    }
    this.#uniform = sorted.every(({ weight }) => weight === sorted[0]?.weight)
  }

  get size(): number {
    return this.members.length
  }

  /** The member with this name (`host:port`). */
  get(name: string): Member | undefined {
    return this.#byName.get(name)
  }

  /** The member that owns a key; `undefined` only in an empty set. */
  owner(key: string): Member | undefined {
    hashInto(lanes, key, KEY_SEED_HI, KEY_SEED_LO)
    let best = -1
    let owner: Member | undefined
    // Members are in the order of their names, so the first of equal ones is the one that wins.
    for (let i = 0; i < this.members.length; i++) {
      const score = this.#score(i)
      if (score > best) {
        best = score
        owner = this.members[i]
      }
    }
    return owner
  }

  /**
   * The members in the order in which they would own a key: if the first is gone, the second owns it.
   *
   * @param limit at most so many
   */
  rank(key: string, limit: number = this.size): Member[] {
    hashInto(lanes, key, KEY_SEED_HI, KEY_SEED_LO)
    const scored = this.members.map((member, i) => ({ member, score: this.#score(i) }))
    // Array.prototype.sort is stable: equal ones stay in the order of their names.
    return scored
      .sort((a, b) => b.score - a.score)
      .slice(0, Math.max(0, limit))
      .map(({ member }) => member)
  }

  /** Of the member at this index for the key in {@link lanes}; the highest wins. */
  #score(index: number): number {
    const hi = fmix32(lanes[0]! ^ this.#hi[index]!)
    const lo = fmix32(lanes[1]! ^ this.#lo[index]! ^ hi)
    // 52 bits, so that adding a half is exact and the fraction can never round to 0 or to 1.
    const draw = hi * 0x100000 + (lo >>> 12)
    return this.#uniform ? draw : -this.members[index]!.weight / Math.log((draw + 0.5) / 0x10000000000000)
  }
}

/** Puts two independent 32-bit hashes of a text's UTF-8 bytes into `out`. */
function hashInto(out: Uint32Array, text: string, seedHi: number, seedLo: number): void {
  let bytes = scratch
  let length = 0
  // A UTF-16 unit becomes at most three bytes.
  if (text.length * 3 <= scratch.length) length = encoder.encodeInto(text, scratch).written
  else {
    bytes = encoder.encode(text)
    length = bytes.length
  }
  out[0] = murmur3(bytes, length, seedHi)
  out[1] = murmur3(bytes, length, seedLo)
}
