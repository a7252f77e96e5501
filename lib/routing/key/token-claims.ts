import { isUtf8 } from 'node:buffer'

/** A token in compact form (RFC 7515, section 7.1) whose payload is not empty. */
const TOKEN = /^[^.]*\.([\w+/-]+=*)\.[^.]*$/

const [OPENING, CLOSING] = [0x7b, 0x7d]

/**
 * Decodes the payload of a JSON Web Token (RFC 7519, section 7.2) without verifying the token; `undefined` if it is not
 * an object. A header can hold thousands of texts that are no tokens, so those are ruled out without an exception,
 * which costs as much as a whole handshake.
 */
export function tokenClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  const payload = TOKEN.exec(token)?.[1]
  if (payload === undefined) return undefined
  const json = Buffer.from(payload, 'base64url')
  if (firstByte(json) !== OPENING || lastByte(json) !== CLOSING || !isUtf8(json)) return undefined
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    return undefined
  }
}

/** White space of JSON (RFC 8259, section 2). */
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d

const firstByte = (json: Buffer): number | undefined => json.find(byte => !isSpace(byte))
const lastByte = (json: Buffer): number | undefined => json.findLast(byte => !isSpace(byte))
