import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'

/** Longest key, in bytes of UTF-8: a key is a header value of every handshake and of every message between sidecars. */
export const MAX_KEY_BYTES = 512

/** The common case: printable ASCII, which needs no encoding and can only be too long. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

/** Human-readable reason why a text cannot be a routing key; `undefined` if it can. */
export function keyProblem(key: string): string | undefined {
  if (key.length <= MAX_KEY_BYTES && PLAIN.test(key)) return undefined
  const problem = formProblem(key)
  if (problem) return problem
  const bytes = Buffer.byteLength(key)
  return bytes > MAX_KEY_BYTES ? `it has ${bytes} bytes, more than ${MAX_KEY_BYTES}` : undefined
}

/** Whether a text has a control character (Unicode class Cc), such as NUL. */
export const hasControlCharacter = (text: string): boolean => /\p{Cc}/u.test(text)

function formProblem(key: string): string | undefined {
  if (key === '') return 'it is empty'
  if (hasControlCharacter(key)) return 'it has a control character'
  // Recipients of a header strip these spaces and would look for another user.
  if (/^ | $/.test(key)) return 'it begins or ends with a space'
  return key.isWellFormed() ? undefined : 'it has half of a surrogate pair, which UTF-8 cannot carry'
}

/** The key of a long name. */
const HASHED = /^sha256:[0-9a-f]{64}$/

/**
 * Converts a user's name to a routing key: the name itself or, above {@link MAX_KEY_BYTES} bytes, `sha256:` and the
 * SHA-256 of its UTF-8 in lower-case hexadecimal. `undefined` if the text is not a valid name; a text in the form of
 * such a key is none, because a client could choose it as its name and would share the key of the long name.
 */
export const keyOf = (name: string): string | undefined => (HASHED.test(name) ? undefined : keyOfName(name))

/**
 * Like {@link keyOf}, for a text of the app or another program of this system, which may name the user by name or by
 * key.
 */
export const keyOfTrusted = (text: string): string | undefined => (HASHED.test(text) ? text : keyOfName(text))

function keyOfName(name: string): string | undefined {
  if (name.length <= MAX_KEY_BYTES && PLAIN.test(name)) return name
  if (formProblem(name) !== undefined) return undefined
  return Buffer.byteLength(name) > MAX_KEY_BYTES ? `sha256:${createHash('sha256').update(name).digest('hex')}` : name
}

/** Encodes a key as a header value: its UTF-8 bytes, one character each, as Node writes and reads header values. */
export function encodeKeyHeader(key: string): string {
  return PLAIN.test(key) ? key : Buffer.from(key, 'utf8').toString('latin1')
}

/** Decodes a header value: UTF-8 if its bytes are valid UTF-8, else ISO 8859-1 (RFC 9110, section 5.5). */
export function decodeKeyHeader(value: string): string {
  if (PLAIN.test(value)) return value
  const bytes = Buffer.from(value, 'latin1')
  return isUtf8(bytes) ? bytes.toString('utf8') : value
}

/** Undoes percent-encoding; an invalid text stays unchanged. */
export function percentDecode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
