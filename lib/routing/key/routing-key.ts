import { type HandshakeRequest, type KeyReader, keySources } from './key-sources.ts'
import { hasControlCharacter, keyOf } from './key-text.ts'

export type { HandshakeRequest } from './key-sources.ts'
export { decodeKeyHeader, encodeKeyHeader, keyOf, keyProblem, MAX_KEY_BYTES } from './key-text.ts'

/** Where handshakes name their users. */
export interface RoutingKey {
  /** The text it was made from. */
  readonly text: string
  /**
   * The users that a request names, each once, in the order of the chain; never throws. More than one is nobody: to take one of them would
   * let a client pass as another in the eyes of an app that reads the other place.
   */
  find(request: HandshakeRequest): readonly string[]
}

const SOURCES = Object.keys(keySources)
// An expression may contain commas: one separates items only where another item begins.
const SEPARATOR = new RegExp(`,(?=\\s*(?:${SOURCES.join('|')}):)`)

/**
 * Reads a chain such as `header:ws-user-id,query:user,path:^/room/([^/]+)`. Each place is looked at; a value that is no key names nobody.
 *
 * - `header:NAME`: a header's value, UTF-8 or ISO 8859-1
 * - `query:NAME`: a parameter, as `URLSearchParams` reads it (`+` is a space), if its bytes are UTF-8
 * - `cookie:NAME`: a cookie, percent-decoded
 * - `jwt:CLAIM`: a string or number in the payload of `Authorization: Bearer`; `jwt:CLAIM@PLACE:NAME` of the token in another place,
 *   a header, query, cookie or protocol. **Not verified**: routing is no authentication; the app gets the token and has to refuse a
 *   forged one
 * - `path:REGEX`: the one capture group of an RE2 regular expression on the path as sent, percent-decoded; it runs in
 *   linear time, and paths above 8 KiB are not tried
 * - `protocol:PREFIX`: the rest of an offered sub-protocol that starts so, percent-decoded
 *
 * @throws {Error} that says what is wrong with it, and quotes the item
 */
export function parseRoutingKey(text: string): RoutingKey {
  if (hasControlCharacter(text)) throw new Error('it has a control character')
  const readers = text.split(SEPARATOR).map(item => parseItem(item.trim()))
  return {
    text,
    find(request) {
      const users: string[] = []
      for (const read of readers) {
        for (const name of read(request)) {
          const user = keyOf(name)
          if (user !== undefined && !users.includes(user)) users.push(user)
        }
      }
      return users
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
