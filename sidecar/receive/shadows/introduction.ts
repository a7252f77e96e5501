import { decodeKeyHeader, keyProblem } from '../../../lib/routing/key/routing-key.ts'
import { USER_HEADER } from '../../../lib/service/names.ts'

/** Facts about a client from its opening handshake. */
export interface Introduction {
  /** `undefined`: unknown. */
  readonly user: string | undefined
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
  const user = fields.get(USER_HEADER)
  if (user === undefined) return { user }
  const name = decodeKeyHeader(user)
  return keyProblem(name) === undefined ? { user: name } : undefined
}
