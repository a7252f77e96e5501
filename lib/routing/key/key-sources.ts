import { trimBlanks } from '../../service/http/field-value.ts'
import { decodeKeyHeader, percentDecode } from './key-text.ts'
import { parsePathExpression } from './path-expression.ts'
import { claimText } from './token-claims.ts'

/**
 * The parts of a request that can name its user: target and header lines (names and values alternating, as in Node).
 */
export interface HandshakeRequest {
  readonly url: string
  readonly rawHeaders: readonly string[]
}

/** Returns all values at one place of a handshake, repetitions included; a malformed value counts as absent. */
export type KeyReader = (request: HandshakeRequest) => readonly string[]

/** A token (RFC 9110, section 5.6.2): names of headers and cookies, sub-protocols. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/

/** Places that can hold a name directly, or a token with a claim. */
const places = {
  header(name) {
    const field = token(name, 'header name')
    return ({ rawHeaders }) => headerValues(rawHeaders, field).map(decodeKeyHeader)
  },

  query(name) {
    return ({ url }) => readings(url).flatMap(({ query }) => parameters(query, name))
  },

  cookie(name) {
    token(name, 'cookie name')
    return ({ rawHeaders }) => headerValues(rawHeaders, 'cookie').flatMap(line => cookieValues(line, name))
  },

  protocol(prefix) {
    token(prefix, 'start of a sub-protocol')
    return ({ rawHeaders }) =>
      headerValues(rawHeaders, 'sec-websocket-protocol')
        .flatMap(line => line.split(','))
        .map(trimBlanks)
        .filter(item => item.startsWith(prefix) && item.length > prefix.length)
        .map(item => percentDecode(item.slice(prefix.length)))
  },
} as const satisfies Record<string, (argument: string) => KeyReader>

/** The claim and, for a token outside `Authorization`, its place. */
const TOKEN_PLACE = /^(.+?)@(header|query|cookie|protocol):(.*)$/

/**
 * Maps each kind of place to a function from its argument (after the colon in `ROUTING_KEY`) to its reader. The
 * functions throw an `Error` that names the problem with the argument.
 */
export const keySources = {
  header: places.header,
  query: places.query,
  cookie: places.cookie,

  // Not verified, because routing is not authentication. The app gets the token and rejects a forged one; a forger
  // gains only the choice of the pod that rejects it.
  jwt(argument) {
    const [, claim = argument, place, name = ''] = TOKEN_PLACE.exec(argument) ?? []
    if (place !== undefined && name === '') throw new Error(`it does not say which ${place} has the token`)
    const read = place === undefined ? bearerTokens : places[place as keyof typeof places](name)
    return request => read(request).flatMap(text => claimText(text, claim) ?? [])
  },

  path(source) {
    const find = parsePathExpression(source)
    return ({ url }) =>
      readings(url).flatMap(({ path }) => {
        const found = find(path)
        return found === undefined ? [] : percentDecode(found)
      })
  },

  protocol: places.protocol,
} as const satisfies Record<string, (argument: string) => KeyReader>

function token(text: string, what: string): string {
  if (!TOKEN.test(text)) throw new Error(`"${text}" cannot be a ${what}`)
  return text
}

/** Every word of the header may be the token, because apps differ in what they accept around it. */
const bearerTokens: KeyReader = ({ rawHeaders }) =>
  headerValues(rawHeaders, 'authorization').flatMap(value => value.split(/[\s,]+/))

/**
 * The values of all lines of a header. Names with `_` for `-` count too, because CGI-style apps treat both as one name
 * (RFC 3875, section 4.1.18).
 */
function headerValues(rawHeaders: readonly string[], name: string): string[] {
  const field = canonicalField(name)
  const values: string[] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const other = rawHeaders[i] as string
    if (other.length === field.length && canonicalField(other) === field) values.push(rawHeaders[i + 1] as string)
  }
  return values
}

const canonicalField = (name: string): string => name.toLowerCase().replaceAll('_', '-')

/**
 * All readings of a target. It should have no fragment (RFC 9112, section 3.2), so apps differ on whether they cut it
 * off at `#`.
 */
function readings(url: string): readonly Target[] {
  const end = url.indexOf('#')
  return end < 0 ? [splitTarget(url)] : [splitTarget(url.slice(0, end)), splitTarget(url)]
}

interface Target {
  readonly path: string
  readonly query: string
}

/** Path and query of a request target in origin or absolute form (RFC 9112, section 3.2). */
function splitTarget(url: string): Target {
  const target = url.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/i, '')
  const mark = target.indexOf('?')
  return mark < 0 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}

/**
 * The values of a parameter. Values that are not UTF-8 are dropped: `URLSearchParams` would map them all to one name.
 */
function parameters(query: string, name: string): readonly string[] {
  return new URLSearchParams(query).getAll(name).filter(value => !value.includes('\ufffd'))
}

/** The cookies of this name (RFC 6265, section 4.2), without quotes and percent-encoding. */
function cookieValues(header: string, name: string): string[] {
  const values: string[] = []
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals < 0 || trimBlanks(pair.slice(0, equals)) !== name) continue
    const value = trimBlanks(pair.slice(equals + 1))
    values.push(percentDecode(decodeKeyHeader(/^".*"$/.test(value) ? value.slice(1, -1) : value)))
  }
  return values
}
