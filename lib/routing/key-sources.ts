import { decodeJwt } from 'jose'
import { decodeKeyHeader, percentDecode } from './key-text.ts'
import { parsePathExpression } from './path-expression.ts'
import type { HandshakeRequest } from './routing-key.ts'

/** Looks in one place of a handshake; anything malformed there is the same as nothing. */
export type KeyReader = (request: HandshakeRequest) => string | undefined

/** A token of RFC 9110, section 5.6.2: names of headers and cookies, sub-protocols. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/**
 * For each place in a handshake that can name a user: from what follows the colon in `ROUTING_KEY` to its reader. They throw
 * an `Error` that says what is wrong with the argument.
 */
export const keySources = {
  header(name) {
    const field = token(name, 'header name').toLowerCase()
    return ({ headers }) => headerText(headers[field])
  },

  query(name) {
    return ({ url }) => splitTarget(url).query.get(name) ?? undefined
  },

  cookie(name) {
    token(name, 'cookie name')
    return ({ headers }) => cookieValue(headers.cookie ?? '', name)
  },

  // Not verified: routing is no authentication. The token goes on to the app, which refuses a forged one; all that a forger
  // gains is the choice of the pod that refuses.
  jwt(claim) {
    return ({ headers }) => {
      const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1]
      if (bearer === undefined) return undefined
      try {
        const payload = decodeJwt(bearer)
        const value = Object.hasOwn(payload, claim) ? payload[claim] : undefined
        return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined
      } catch {
        return undefined
      }
    }
  },

  path(source) {
    const find = parsePathExpression(source)
    return ({ url }) => {
      const found = find(splitTarget(url).path)
      return found === undefined ? undefined : percentDecode(found)
    }
  },

  protocol(prefix) {
    token(prefix, 'start of a sub-protocol')
    return ({ headers }) => {
      const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(item => item.trim())
      const found = offered.find(item => item.startsWith(prefix) && item.length > prefix.length)
      return found === undefined ? undefined : percentDecode(found.slice(prefix.length))
    }
  },
} as const satisfies Record<string, (argument: string) => KeyReader>

function token(text: string, what: string): string {
  if (!TOKEN.test(text)) throw new Error(`"${text}" cannot be a ${what}`)
  return text
}

function headerText(value: string | string[] | undefined): string | undefined {
  const first = Array.isArray(value) ? value[0] : value
  return first === undefined ? undefined : decodeKeyHeader(first)
}

/** Path and query of a request target in origin form or absolute form (RFC 9112, section 3.2). */
function splitTarget(url: string): { path: string; query: URLSearchParams } {
  const target = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const [beforeFragment = ''] = target.split('#', 1)
  const mark = beforeFragment.indexOf('?')
  return mark < 0
    ? { path: beforeFragment, query: new URLSearchParams() }
    : { path: beforeFragment.slice(0, mark), query: new URLSearchParams(beforeFragment.slice(mark + 1)) }
}

/** The first cookie of this name (RFC 6265, section 4.2), without quotes and percent-encoding. */
function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || pair.slice(0, equals).trim() !== name) continue
    const value = pair.slice(equals + 1).trim()
    return percentDecode(decodeKeyHeader(/^".*"$/.test(value) ? value.slice(1, -1) : value))
  }
  return undefined
}
