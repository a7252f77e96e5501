import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'

/** Longest key, in bytes of UTF-8: it is a header value on every handshake and every message between sidecars. */
export const MAX_KEY_BYTES = 512

/** Most keys are this: printable ASCII, which needs no encoding and has no problem but its length. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

/** Why a text cannot be a routing key, for a person to read; `undefined` if it can. */
export function keyProblem(key: string): string | undefined {
  if (key.length <= MAX_KEY_BYTES && PLAIN.test(key)) return undefined
  const problem = formProblem(key)
  if (problem) return problem
  const bytes = Buffer.byteLength(key)
  return bytes > MAX_KEY_BYTES ? `it has ${bytes} bytes, more than ${MAX_KEY_BYTES}` : undefined
}

/** Whether a text has a control character (Unicode's class Cc), such as NUL. */
export const hasControlCharacter = (text: string): boolean => /\p{Cc}/u.test(text)

function formProblem(key: string): string | undefined {
  if (key === '') return 'it is empty'
  if (hasControlCharacter(key)) return 'it has a control character'
  // Receivers of a header drop these, and would then look for another user.
  if (/^ | $/.test(key)) return 'it begins or ends with a space'
  return key.isWellFormed() ? undefined : 'it has half of a surrogate pair, which UTF-8 cannot carry'
}

/**
 * The routing key of a user's name: the name itself, or, where it has more than {@link MAX_KEY_BYTES} bytes, `sha256:` and the SHA-256
 * of its UTF-8 in lower-case hexadecimal. `undefined`: the text names no user.
 */
export function keyOf(name: string): string | undefined {
  if (name.length <= MAX_KEY_BYTES && PLAIN.test(name)) return name
  if (formProblem(name) !== undefined) return undefined
  return Buffer.byteLength(name) > MAX_KEY_BYTES ? `sha256:${createHash('sha256').update(name).digest('hex')}` : name
}

/** A key as the value of a header: its UTF-8 bytes, one character each, which is how Node writes and reads header values. */
export function encodeKeyHeader(key: string): string {
  return PLAIN.test(key) ? key : Buffer.from(key, 'utf8').toString('latin1')
}

/** The text of a header value: UTF-8 if its bytes are that, else ISO 8859-1 (RFC 9110, section 5.5). */
export function decodeKeyHeader(value: string): string {
  if (PLAIN.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : value
}

/** Undoes percent-encoding; a text that is not rightly encoded stays as it is. */
export function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
