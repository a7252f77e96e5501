import { USER_HEADER } from '../../service/names.ts'
import { type HandshakeRequest, type KeyReader, keySources } from './key-sources.ts'
import { hasControlCharacter, keyOf, keyOfTrusted } from './key-text.ts'

export type { HandshakeRequest } from './key-sources.ts'
export { decodeKeyHeader, encodeKeyHeader, keyOf, keyOfTrusted, keyProblem, MAX_KEY_BYTES } from './key-text.ts'

/** The places of a handshake that name its user. */
export interface RoutingKey {
  /** The text that was parsed. */
  readonly text: string
  /**
   * Finds the users that a request names, each once, in the order of the chain; never throws. Several users must be
   * treated as none: choosing one would let a client impersonate another towards an app that reads the other place.
   */
  find(request: HandshakeRequest): readonly string[]
}

const SOURCES = Object.keys(keySources)
// An expression may contain commas; a comma separates items only if another item follows.
const SEPARATOR = new RegExp(`,(?=\\s*(?:${SOURCES.join('|')}):)`)

/**
 * Parses a chain such as `header:ws-user-id,query:user,path:^/room/([^/]+)`. All places are read; a value that is not a
 * valid key is ignored.
 *
 * - `header:NAME`: a header's value, UTF-8 or ISO 8859-1
 * - `query:NAME`: a parameter, as `URLSearchParams` reads it (`+` is a space), if its bytes are UTF-8
 * - `cookie:NAME`: a cookie, percent-decoded
 * - `jwt:CLAIM`: a string or number in the payload of `Authorization: Bearer`; with `jwt:CLAIM@PLACE:NAME`, of a token
 *   elsewhere: in a header, query, cookie or protocol. **Not verified**: routing is not authentication; the app gets
 *   the token and must reject a forged one
 * - `path:REGEX`: the only capture group of an RE2 regular expression on the path as sent, percent-decoded; runs in
 *   linear time, and paths above 8 KiB are not tried
 * - `protocol:PREFIX`: the rest of an offered sub-protocol with this prefix, percent-decoded
 *
 * @throws {Error} that names the problem and quotes the item
 */
export function parseRoutingKey(text: string): RoutingKey {
  if (hasControlCharacter(text)) throw new Error('it has a control character')
  const readers = text.split(SEPARATOR).map(item => parseItem(item.trim()))
  return {
    text,
    find(request) {
      const users = new Set<string>()
      for (const read of readers) {
        for (const name of read(request)) {
          const user = keyOf(name)
          if (user !== undefined) users.add(user)
        }
      }
      return [...users]
    },
  }
}

const readBalancerUser = keySources.header(USER_HEADER)

/**
 * The same routing key for requests that came through a balancer, whose word counts as one more place. It is a key, so
 * that of a long name is one here.
 */
export const behindBalancer = ({ text, find }: RoutingKey): RoutingKey => ({
  text: `header:${USER_HEADER},${text}`,
  find: request => {
    const named = readBalancerUser(request).flatMap(key => keyOfTrusted(key) ?? [])
    return [...new Set([...named, ...find(request)])]
  },
})

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
