const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b

/** Longest chunk-size line with its extensions, in bytes. */
const MAX_SIZE_LINE = 1024

type Place = 'size' | 'extension' | 'data' | 'after data' | 'trailer' | 'end'

/** Finds the end of a chunked body (RFC 9112 §7.1) without decoding it. */
export class ChunkedBody {
  #place: Place = 'size'
  /** Bytes of the current size line; in the trailer, whether the current line is empty. CR is not counted. */
  #lineLength = 0
  #size = 0

  /**
   * Reads the next bytes.
   *
   * @returns how many of them belong to the body, if it ends within them
   * @throws if the body is not validly chunked
   */
  push(bytes: Uint8Array): number | undefined {
    let at = 0
    while (at < bytes.length) {
      if (this.#place === 'data') {
        const taken = Math.min(this.#size, bytes.length - at)
        this.#size -= taken
        at += taken
        if (this.#size === 0) this.#place = 'after data'
        continue
      }
      this.#byte(bytes[at++] as number)
      if (this.#place === 'end') return at
    }
    return undefined
  }

  #byte(byte: number): void {
    if (byte === CR) return
    if (byte === LF) this.#endOfLine()
    else if (this.#place === 'after data') throw new Error('a chunk is longer than its size')
    else {
      if (this.#place !== 'trailer' && ++this.#lineLength > MAX_SIZE_LINE)
        throw new Error('the size of a chunk has no end')
      if (this.#place === 'trailer') this.#lineLength = 1
      else if (byte === SEMICOLON) this.#place = 'extension'
      else if (this.#place === 'size') this.#digit(byte)
    }
  }

  #digit(byte: number): void {
    const digit = Number.parseInt(String.fromCharCode(byte), 16)
    if (Number.isNaN(digit)) throw new Error('the size of a chunk is not a number')
    this.#size = this.#size * 16 + digit
    if (!Number.isSafeInteger(this.#size)) throw new Error('a chunk is too long')
  }

  #endOfLine(): void {
    if (this.#place === 'trailer') this.#place = this.#lineLength === 0 ? 'end' : 'trailer'
    else if (this.#place === 'after data') this.#place = 'size'
    else if (this.#lineLength === 0) throw new Error('the size of a chunk is missing')
    else this.#place = this.#size === 0 ? 'trailer' : 'data'
    this.#lineLength = 0
  }
}
