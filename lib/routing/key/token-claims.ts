import { isUtf8 } from 'node:buffer'

/** A token in compact form (RFC 7515, section 7.1) whose payload is not empty. */
const TOKEN = /^[^.]*\.([\w+/-]+=*)\.[^.]*$/

const [OPENING, CLOSING] = [0x7b, 0x7d]

/**
 * Decodes the payload of a JSON Web Token (RFC 7519, section 7.2) without verifying the token; `undefined` if it is not
 * an object.
 */
export function tokenClaims(token: string): Readonly<Record<string, unknown>> | undefined {
  const text = payloadText(token)
  return text === undefined ? undefined : parseOrNothing(text)
}

/** A string or number claim of a token as text; a number as it is written if a double cannot hold it exactly. */
export function claimText(token: string, claim: string): string | undefined {
  const text = payloadText(token)
  const claims = text === undefined ? undefined : parseOrNothing(text)
  if (text === undefined || claims === undefined || !Object.hasOwn(claims, claim)) return undefined
  const value = claims[claim]
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : numberSource(text, claim)
  return typeof value === 'string' ? value : undefined
}

/**
 * The payload's text if it may be an object. A header can hold thousands of texts that are no tokens, so those are
 * ruled out without an exception, which costs as much as a whole handshake.
 */
function payloadText(token: string): string | undefined {
  const payload = TOKEN.exec(token)?.[1]
  if (payload === undefined) return undefined
  const json = Buffer.from(payload, 'base64url')
  const mayBeObject = firstByte(json) === OPENING && lastByte(json) === CLOSING && isUtf8(json)
  return mayBeObject ? json.toString('utf8') : undefined
}

function parseOrNothing(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** The reviver's third argument (ECMAScript proposal "JSON.parse source text access"). */
type Reviver = (this: unknown, key: string, value: unknown, context?: { readonly source?: string }) => unknown

/** The digits of a number among an object's own members: large ids that differ would be the same double. */
function numberSource(text: string, claim: string): string | undefined {
  const sources = new Map<unknown, string>()
  const note: Reviver = function (key, value, context) {
    if (key === claim && typeof value === 'number' && context?.source !== undefined) sources.set(this, context.source)
    return value
  }
  return sources.get(JSON.parse(text, note as Parameters<typeof JSON.parse>[1]))
}

/** White space of JSON (RFC 8259, section 2). */
const isSpace = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d

const firstByte = (json: Buffer): number | undefined => json.find(byte => !isSpace(byte))
const lastByte = (json: Buffer): number | undefined => json.findLast(byte => !isSpace(byte))
