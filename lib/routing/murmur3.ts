/**
 * MurmurHash3_x86_32, the public-domain hash by Austin Appleby, over the first `length` bytes of `bytes`.
 *
 * @param seed an unsigned 32-bit integer
 * @returns an unsigned 32-bit integer
 */
export function murmur3(bytes: Uint8Array, length: number, seed: number): number {
  let hash = seed
  const blocks = length & ~3
  for (let i = 0; i < blocks; i += 4) {
    const block = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    hash ^= scramble(block)
    hash = (hash << 13) | (hash >>> 19)
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  for (let i = length - 1; i >= blocks; i--) tail = (tail << 8) | bytes[i]!
  hash ^= scramble(tail)
  return fmix32(hash ^ length)
}

function scramble(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51)
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593)
}

/**
 * The finalizer of MurmurHash3: a bijection of 32-bit integers in which each input bit flips each output bit half of
 * the time.
 */
export function fmix32(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
