/**
 * Maximum bytes of a value that are decoded, escapes included. A longer string has more than 512 bytes when decoded.
 */
export const MAX_VALUE_BYTES = 3084

const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75

/**
 * Reads a string of a valid JSON text, cut after {@link MAX_VALUE_BYTES} between two characters.
 *
 * @param start offset after its opening quote
 */
export function readCutString(text: Buffer, start: number): string {
  return decode(text, start, endOfString(text, start))
}

/** Reads a string as {@link readCutString}; `undefined` if it would be cut. */
export function readString(text: Buffer, start: number): string | undefined {
  const end = endOfString(text, start)
  return text[end] === QUOTE ? decode(text, start, end) : undefined
}

/** Reads a number of a valid JSON text; `undefined` if it has more digits than {@link MAX_VALUE_BYTES}. */
export function readNumber(text: Buffer, start: number): number | undefined {
  const [digits = ''] = /^[-+.\dEe]*/.exec(text.toString('latin1', start, start + MAX_VALUE_BYTES + 1)) ?? []
  return digits.length > MAX_VALUE_BYTES ? undefined : Number(digits)
}

/**
 * The end of a string, or the place where it is cut: between two characters, after the maximum number of decoded bytes.
 */
function endOfString(text: Buffer, start: number): number {
  let i = start
  while (i - start < MAX_VALUE_BYTES && text[i] !== QUOTE)
    i += text[i] !== BACKSLASH ? 1 : text[i + 1] === LETTER_U ? 6 : 2
  while (((text[i] as number) & 0xc0) === 0x80) i++
  return i
}

/** Decodes a JSON string without its quotes. */
function decode(text: Buffer, start: number, end: number): string {
  const raw = text.toString('utf8', start, end)
  return raw.includes('\\') ? (JSON.parse(`"${raw}"`) as string) : raw
}
