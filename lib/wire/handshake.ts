import type { IncomingMessage } from 'node:http'

/** Header fields in the form that node:http takes: a field that came several times keeps all its values. */
export type HeaderFields = Record<string, string | string[]>

/** Fields that belong to one connection, not to the message (RFC 9110 §7.6.1), and the handshake's own (RFC 6455 §4). */
const PER_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'sec-websocket-accept',
  'sec-websocket-extensions',
  'sec-websocket-key',
  'sec-websocket-protocol',
  'sec-websocket-version',
])

/**
 * The fields of a request or response that go on to the next hop, as they came.
 *
 * @param source raw fields, names and values in turn
 * @param drop lower-case names of further fields that must not pass, such as an identity that a client could have forged
 */
export function endToEndFields(
  { rawHeaders, headers }: Pick<IncomingMessage, 'rawHeaders' | 'headers'>,
  drop: readonly string[] = [],
): HeaderFields {
  const listed = (headers.connection ?? '').split(',').map(name => name.trim().toLowerCase())
  const dropped = new Set([...listed, ...drop])
  const fields: HeaderFields = {}
  const spelling = new Map<string, string>()
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const value = rawHeaders[i + 1] as string
    const lower = name.toLowerCase()
    if (PER_CONNECTION.has(lower) || dropped.has(lower)) continue
    const known = spelling.get(lower)
    if (known === undefined) {
      spelling.set(lower, name)
      fields[name] = value
    } else fields[known] = [fields[known] as string | string[], value].flat()
  }
  return fields
}

/**
 * Adds what this hop knows of the client to the `X-Forwarded-*` fields, keeping what proxies before it said.
 *
 * @param remoteAddress address of the connection's other end
 * @param host the `Host` that the client asked for
 */
export function forwardedFields(
  request: Pick<IncomingMessage, 'headers'>,
  remoteAddress: string,
  host: string,
): HeaderFields {
  const { headers } = request
  const before = headers['x-forwarded-for']
  return {
    'X-Forwarded-For': before === undefined ? remoteAddress : `${[before].flat().join(', ')}, ${remoteAddress}`,
    'X-Forwarded-Proto': [headers['x-forwarded-proto'] ?? 'http'].flat().join(', '),
    'X-Forwarded-Host': [headers['x-forwarded-host'] ?? host].flat().join(', '),
  }
}

/** Lower-case names that {@link forwardedFields} sets. */
export const FORWARDED_NAMES: readonly string[] = ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host']

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const KEY = /^[+/0-9A-Za-z]{22}==$/

/**
 * The sub-protocols that a handshake offers, in its order.
 *
 * @returns `undefined` when the field is malformed: an item that is no token, or one that occurs twice (RFC 6455 §4.1)
 */
export function offeredProtocols(field: string | undefined): string[] | undefined {
  if (field === undefined) return []
  const items = field.split(',').map(item => item.trim())
  return items.every(item => TOKEN.test(item)) && new Set(items).size === items.length ? items : undefined
}

/** Why a handshake is refused before anybody is dialled. */
export interface HandshakeProblem {
  readonly status: number
  readonly message: string
  readonly headers?: Record<string, string>
}

/** What is wrong with a client's opening handshake (RFC 6455 §4.2.1), or `undefined`. */
export function handshakeProblem({
  method,
  headers,
}: Pick<IncomingMessage, 'method' | 'headers'>): HandshakeProblem | undefined {
  if (method !== 'GET')
    return { status: 405, message: 'a WebSocket handshake is a GET request', headers: { Allow: 'GET' } }
  if (headers.upgrade?.toLowerCase() !== 'websocket')
    return { status: 400, message: 'the Upgrade header is not "websocket"' }
  if (headers['sec-websocket-version'] !== '13') {
    return { status: 426, message: 'the WebSocket version must be 13', headers: { 'Sec-WebSocket-Version': '13' } }
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    return { status: 400, message: 'Sec-WebSocket-Key is missing or not 16 bytes in base64' }
  if (offeredProtocols(headers['sec-websocket-protocol']) === undefined)
    return { status: 400, message: 'Sec-WebSocket-Protocol is malformed' }
  return undefined
}
