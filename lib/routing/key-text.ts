import { isUtf8 } from 'node:buffer'

/** Longest key, in bytes of UTF-8: it is a header value on every handshake and every message between sidecars. */
export const MAX_KEY_BYTES = 512

/** Most keys are this: printable ASCII, which needs no encoding and has no problem but its length. */
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/

/** Why a text cannot be a routing key, for a person to read; `undefined` if it can. */
export function keyProblem(key: string): string | undefined {
  if (key.length <= MAX_KEY_BYTES && PLAIN.test(key)) return undefined
  if (key === '') return 'it is empty'
  if (/\p{Cc}/u.test(key)) return 'it has a control character'
  // Receivers of a header drop these, and would then look for another user.
  if (/^ | $/.test(key)) return 'it begins or ends with a space'
  if (!key.isWellFormed()) return 'it has half of a surrogate pair, which UTF-8 cannot carry'
  const bytes = Buffer.byteLength(key)
  return bytes > MAX_KEY_BYTES ? `it has ${bytes} bytes, more than ${MAX_KEY_BYTES}` : undefined
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
