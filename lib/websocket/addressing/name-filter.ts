/** Characters that JSON can only escape as `\uXXXX` (RFC 8259 §7). */
const ESCAPED_BY_CODE = /^[^"\\/\u0000-\u001f]*$/

/** A shorter text is scanned as fast as it is searched. */
const SEARCHED_FROM_BYTES = 256

/**
 * Rules out texts without a given name, at the speed of a native search. A JSON string that means the name is either
 * the quoted name itself or contains an escape.
 */
export class NameFilter {
  readonly #quotedName: Buffer
  readonly #escape: Buffer

  constructor(name: string) {
    this.#quotedName = Buffer.from(`"${name}"`)
    this.#escape = Buffer.from(ESCAPED_BY_CODE.test(name) ? '\\u' : '\\')
  }

  /** Returns `false` if no JSON string in the text can mean the name. */
  mayBeIn(text: Buffer): boolean {
    return text.length < SEARCHED_FROM_BYTES || text.includes(this.#quotedName) || text.includes(this.#escape)
  }
}
