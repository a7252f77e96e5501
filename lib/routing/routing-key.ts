import type { IncomingHttpHeaders } from 'node:http'
import { type KeyReader, keySources } from './key-sources.ts'

export { decodeKeyHeader, encodeKeyHeader, keyProblem, MAX_KEY_BYTES } from './key-text.ts'

/** What of a handshake can name its user: the request target and the headers, as Node gives them. */
export interface HandshakeRequest {
  readonly url: string
  readonly headers: IncomingHttpHeaders
}

/** Where handshakes name their users. */
export interface RoutingKey {
  /** The text it was made from. */
  readonly text: string
  /**
   * The user of a handshake: what the first place that is not empty says; never throws. It can be any text: ask
   * {@link keyProblem} before using it.
   */
  find(request: HandshakeRequest): string | undefined
}

const SOURCES = Object.keys(keySources)
// An expression may contain commas: one separates items only where another item begins.
const SEPARATOR = new RegExp(`,(?=\\s*(?:${SOURCES.join('|')}):)`)

/**
 * Reads a chain such as `header:ws-user-id,query:user,path:^/room/([^/]+)`; the first place that is not empty wins.
 *
 * - `header:NAME`: a header's value, UTF-8 or ISO 8859-1
 * - `query:NAME`: a parameter, as `URLSearchParams` reads it
 * - `cookie:NAME`: a cookie, percent-decoded
 * - `jwt:CLAIM`: a string or number in the payload of `Authorization: Bearer`. **Not verified**: routing is no authentication;
 *   the app gets the token and has to refuse a forged one
 * - `path:REGEX`: the one capture group of an RE2 regular expression on the path as sent, percent-decoded; it runs in
 *   linear time, and paths above 8 KiB are not tried
 * - `protocol:PREFIX`: the rest of the offered sub-protocol that starts so, percent-decoded
 *
 * @throws {Error} that quotes the item and says what is wrong with it
 */
export function parseRoutingKey(text: string): RoutingKey {
  const readers = text.split(SEPARATOR).map(item => parseItem(item.trim()))
  return {
    text,
    find(request) {
      for (const read of readers) {
        const key = read(request)
        if (key) return key
      }
      return undefined
    },
  }
}

function parseItem(item: string): KeyReader {
  const colon = item.indexOf(':')
  const source = item.slice(0, colon)
  const argument = item.slice(colon + 1)
  if (!isSource(source) || argument === '') {
    throw new Error(`"${item}" names no place in a handshake: expected ${SOURCES.join(', ')}, then a colon and a value`)
  }
  try {
    return keySources[source](argument)
  } catch (error) {
    throw new Error(`"${item}": ${(error as Error).message}`, { cause: error })
  }
}

function isSource(text: string): text is keyof typeof keySources {
  return Object.hasOwn(keySources, text)
}
