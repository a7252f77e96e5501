import { murmur3 } from './murmur3.ts'

/** Longest UTF-8 text that is hashed without an allocation, in bytes. */
const SCRATCH_BYTES = 2048

const encoder = new TextEncoder()

/** Hashes one text after another; `lanes` has the result for the last one. */
export class TextHash {
  /** Two independent 32-bit hashes of the text's UTF-8 bytes. */
  readonly lanes = new Uint32Array(2)
  readonly #scratch = new Uint8Array(SCRATCH_BYTES)

  /** Hashes a text, each lane with a seed of its own: unsigned 32-bit integers. */
  update(text: string, seedHi: number, seedLo: number): void {
    let bytes = this.#scratch
    let length = 0
    // A UTF-16 unit becomes at most three bytes.
    if (text.length * 3 <= SCRATCH_BYTES) length = encoder.encodeInto(text, bytes).written
    else {
      bytes = encoder.encode(text)
      length = bytes.length
    }
    this.lanes[0] = murmur3(bytes, length, seedHi)
    this.lanes[1] = murmur3(bytes, length, seedLo)
  }
}
