/** Deepest nesting of arrays and objects. Objects of Kubernetes nest a tenth of that. */
export const MAX_DEPTH = 256

/** Most values in one body: each costs some 50 to 200 bytes once it is parsed. A Deployment has about a thousand. */
export const MAX_VALUES = 250_000

const [QUOTE, BACKSLASH, COMMA, COLON] = [0x22, 0x5c, 0x2c, 0x3a]
const [OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d]

/** What a byte outside of a string adds, by its value: a table, because every byte of a body is looked at. */
function steps(...entries: readonly (readonly [byte: number, step: number])[]): Int8Array {
  const table = new Int8Array(256)
  for (const [byte, step] of entries) table[byte] = step
  return table
}

const DEPTH_STEPS = steps([OPEN_ARRAY, 1], [OPEN_OBJECT, 1], [CLOSE_ARRAY, -1], [CLOSE_OBJECT, -1])
const VALUE_STEPS = steps([OPEN_ARRAY, 1], [OPEN_OBJECT, 1], [COMMA, 1], [COLON, 1])

/**
 * Why a JSON text would cost too much to parse: one pass over its bytes, which builds nothing.
 *
 * @param text JSON (RFC 8259) in UTF-8; for any other text the answer has no meaning, and the parser refuses it
 * @returns one line for a person to read; `undefined` where it may be parsed
 */
export function jsonExcess(text: Uint8Array): string | undefined {
  let depth = 0
  let values = 1
  for (let at = 0; at < text.length; at++) {
    const byte = text[at]!
    if (byte === QUOTE) at = endOfString(text, at)
    depth += DEPTH_STEPS[byte]!
    values += VALUE_STEPS[byte]!
    if (depth > MAX_DEPTH) return `it is nested deeper than ${MAX_DEPTH}`
    if (values > MAX_VALUES) return `it has more than ${MAX_VALUES} values`
  }
  return undefined
}

/** Index of the quote that ends the string that begins at `start`; the text's length where none does. */
function endOfString(text: Uint8Array, start: number): number {
  for (let at = start + 1; ; ) {
    const quote = text.indexOf(QUOTE, at)
    if (quote < 0) return text.length
    let before = quote - 1
    while (text[before] === BACKSLASH && before > start) before--
    if ((quote - before) % 2 === 1) return quote
    at = quote + 1
  }
}
