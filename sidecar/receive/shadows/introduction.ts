import { withField } from '../../../lib/proxy/handshake.ts'
import { decodeKeyHeader, encodeKeyHeader, keyProblem } from '../../../lib/routing/key/routing-key.ts'
import { SENDER_USER_HEADER, SHADOW_HEADER, USER_HEADER } from '../../../lib/service/names.ts'

/** Facts about a client from its opening handshake. */
export interface Introduction {
  /** `undefined`: unknown. */
  readonly user: string | undefined
  /** User that the client's own app takes it for, empty if unknown; `undefined`: an older sidecar does not say. */
  readonly expected: string | undefined
}

const END_OF_HEAD = '\r\n\r\n'
const REQUEST_LINE = /^GET [^\s]+ HTTP\/1\.1$/
const FIELD = /^([!#$%&'*+\-.^_`|~\w]+):[ \t]*([^\0\r\n]*)$/
/** With a body, the bytes after the head would be another request to the app. */
const FORBIDDEN: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'expect'])

/**
 * Validates a handshake that another sidecar has sent, before it is written to the app: one GET request with the header
 * fields of a WebSocket handshake, and nothing after it.
 *
 * @returns `undefined` for anything else
 */
export function readIntroduction(handshake: Buffer, maxBytes: number): Introduction | undefined {
  if (handshake.length > maxBytes) return undefined
  const text = handshake.toString('latin1')
  if (text.indexOf(END_OF_HEAD) !== text.length - END_OF_HEAD.length) return undefined
  const [requestLine = '', ...lines] = text.slice(0, -END_OF_HEAD.length).split('\r\n')
  if (!REQUEST_LINE.test(requestLine)) return undefined
  const fields = new Map<string, string>()
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? []
    if (name === undefined || FORBIDDEN.has(name.toLowerCase())) return undefined
    fields.set(name.toLowerCase(), value)
  }
  if (fields.get('upgrade')?.toLowerCase() !== 'websocket' || !fields.has('sec-websocket-key')) return undefined
  return usersOf(fields)
}

function usersOf(fields: ReadonlyMap<string, string>): Introduction | undefined {
  const [user, expected] = [USER_HEADER, SENDER_USER_HEADER].map(name => fields.get(name)).map(decoded)
  const isValid = (user === undefined || isKey(user)) && (!expected || isKey(expected))
  return isValid ? { user, expected } : undefined
}

const decoded = (value: string | undefined): string | undefined => value && decodeKeyHeader(value)
const isKey = (user: string): boolean => keyProblem(user) === undefined

/** The handshake of a client for other sidecars, with the user that the app takes it for. */
export const introduce = (handshake: Buffer, user: string | undefined): Buffer =>
  withField(handshake, SENDER_USER_HEADER, user === undefined ? '' : encodeKeyHeader(user))

const EXPECTED_FIELD = new RegExp(`\\r\\n${SENDER_USER_HEADER}:[^\\r\\n]*`, 'i')

/** The handshake that the app gets: marked as a shadow's, without what is between sidecars. */
export function shadowHandshake(handshake: Buffer): Buffer {
  const bare = Buffer.from(handshake.toString('latin1').replace(EXPECTED_FIELD, ''), 'latin1')
  return withField(bare, SHADOW_HEADER, 'true')
}
