import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import { USER_HEADER } from '../service/names.ts'
import { encodeHead, fieldOf, type ResponseHead } from '../websocket/response-head.ts'

type Request = Pick<IncomingMessage, 'method' | 'headers' | 'rawHeaders'>

/** Header fields that a hop sets, keyed by name. */
export type Fields = Readonly<Record<string, string>>

/** Fields of a single connection, not of the message (RFC 9110 §7.6.1). */
const PER_CONNECTION: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Handshake fields that never pass. A proxy cannot transfer the state of an extension to another upstream, so
 * extensions are never negotiated; and a handshake has no body.
 */
const NOT_OF_A_HANDSHAKE: ReadonlySet<string> = new Set(['sec-websocket-extensions', 'content-length', 'expect'])

/**
 * Returns the fields of a request or response that pass to the next hop, in their original order and spelling.
 *
 * @param drop lower-case names of further fields that must not pass, such as an identity that a client could forge.
 * Spellings with `_` instead of `-` are dropped too, because CGI-style apps treat both names as one (RFC 3875 §4.1.18).
 */
export function passedFields(
  { headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>,
  drop: ReadonlySet<string>,
): [name: string, value: string][] {
  const connection = headers.connection ?? ''
  const listed = USUAL.test(connection) ? [] : connection.split(',').map(name => name.trim().toLowerCase())
  const fields: [string, string][] = []
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const lower = name.toLowerCase()
    if (PER_CONNECTION.has(lower) || drop.has(lower.replaceAll('_', '-'))) continue
    // `Connection` lists fields that are for this hop only; essential fields pass even if listed.
    if (listed.includes(lower) && !ESSENTIAL.test(lower)) continue
    fields.push([name, rawHeaders[i + 1] as string])
  }
  return fields
}

/** Values of `Connection` that list only fields which never pass: the fast path for nearly all requests. */
const USUAL = /^(?:upgrade|keep-alive|close)?$/i

const ESSENTIAL = /^(?:host|content-length|sec-websocket-.*)$/

/**
 * Builds the opening handshake for an upstream from the client's own: with its key, so that the upstream's answer is
 * valid for the client, and with its path, sub-protocols, cookies and other fields.
 *
 * @param path path and query as the client sent them
 * @param drop as for {@link passedFields}
 * @param set fields that this hop adds
 */
export function repeatHandshake(request: Request, path: string, drop: ReadonlySet<string>, set: Fields): Buffer {
  const fields: (readonly [string, string])[] = [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
  ]
  for (const field of passedFields(request, drop))
    if (!NOT_OF_A_HANDSHAKE.has(field[0].toLowerCase())) fields.push(field)
  for (const name in set) fields.push([name, set[name] as string])
  return encodeHead(`GET ${path} HTTP/1.1`, fields)
}

/** The request target of a handshake (RFC 9112 §3). */
export function targetOf(handshake: Buffer): string {
  const line = handshake.toString('latin1', 0, handshake.indexOf('\r\n'))
  return line.slice(line.indexOf(' ') + 1, line.lastIndexOf(' '))
}

/** Adds a field to a handshake of {@link repeatHandshake}. */
export function withField(handshake: Buffer, name: string, value: string): Buffer {
  // Before the empty line that ends the head.
  return Buffer.concat([handshake.subarray(0, -2), Buffer.from(`${name}: ${value}\r\n\r\n`, 'latin1')])
}

/**
 * Builds the client's response head from an upstream's. The user header is only for this hop, which names the user to
 * the previous hop in `answer`.
 *
 * @param answer fields that this hop sets; they replace upstream fields of the same name
 * @param hidden lower-case names of fields that the client must not get, from any source
 */
export function repeatAnswer(
  { status, statusLine, fields }: ResponseHead,
  answer: Fields,
  hidden: ReadonlySet<string>,
): Buffer {
  const ours = new Set(Object.keys(answer).map(name => name.toLowerCase()))
  const passed = fields.filter(([name]) => {
    const lower = name.toLowerCase()
    if (ours.has(lower) || hidden.has(lower) || lower === USER_HEADER) return false
    // After a refusal we close the connection, whatever the upstream does with its own.
    return status === 101 || (lower !== 'connection' && lower !== 'keep-alive')
  })
  return encodeHead(statusLine, [
    ...passed,
    ...(status === 101 ? [] : [['Connection', 'close'] as const]),
    ...shownFields(answer, hidden),
  ])
}

/** The fields set by this hop that the client may see. */
export const shownFields = (answer: Fields, hidden: ReadonlySet<string>): [name: string, value: string][] =>
  Object.entries(answer).filter(([name]) => !hidden.has(name.toLowerCase()))

/** Whether a response accepts the handshake (RFC 6455 §4.1). The client itself checks the rest. */
export function isAccepted(head: ResponseHead): boolean {
  return head.status === 101 && offersWebSocket(fieldOf(head, 'upgrade'))
}

/** Whether `websocket` is among the protocols of an `Upgrade` field (RFC 9110 §7.8). */
const offersWebSocket = (field: string | undefined): boolean =>
  itemsOf(field).some(item => item.toLowerCase() === 'websocket')

/** The elements of a list field; empty elements are ignored (RFC 9110 §5.6.1). */
const itemsOf = (field: string | string[] | undefined): string[] =>
  [field ?? '']
    .flat()
    .join(',')
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

/**
 * Whether a request has more than one `Host`: the next hop could choose a different one than we did (RFC 9112 §3.2).
 */
export function hasTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++
  return hosts > 1
}

/**
 * Extends the `X-Forwarded-*` fields of earlier proxies with this hop's view of the client, and `Forwarded` (RFC 7239)
 * if the request has it. Protocol and host keep a single value, or one value per address: apps reject lists of other
 * lengths.
 *
 * @param remoteAddress address of the connection's peer
 * @param host `Host` of the client's request
 */
export function forwardedFields(
  { headers }: Pick<IncomingMessage, 'headers'>,
  remoteAddress: string,
  host: string,
): Fields {
  const before = itemsOf(headers['x-forwarded-for'])
  const { forwarded } = headers
  const forEachHop = (name: string, ours: string): string => {
    const items = itemsOf(headers[name])
    if (items.length === before.length && items.length > 1) return [...items, ours].join(', ')
    return items[0] ?? ours
  }
  const forwardedHost = forEachHop('x-forwarded-host', host)
  return {
    'X-Forwarded-For': [...before, remoteAddress].join(', '),
    'X-Forwarded-Proto': forEachHop('x-forwarded-proto', 'http'),
    ...(forwardedHost !== '' && { 'X-Forwarded-Host': forwardedHost }),
    ...(forwarded !== undefined && { Forwarded: extendForwarded(forwarded, remoteAddress, host) }),
  }
}

/** An unterminated quoted string of the client would swallow the element that we append. */
const QUOTES_END = /^(?:[^"]|"(?:[^"\\]|\\.)*")*$/

function extendForwarded(before: string, remoteAddress: string, host: string): string {
  const node = isIPv6(remoteAddress) ? `[${remoteAddress}]` : remoteAddress
  const element = `for=${forwardedValue(node)};host=${forwardedValue(host)};proto=http`
  return before.trim() !== '' && QUOTES_END.test(before) ? `${before}, ${element}` : element
}

/** A value of `Forwarded`: a token, or a quoted string. */
const forwardedValue = (text: string): string => (TOKEN.test(text) ? text : `"${text.replace(/["\\]/g, '\\$&')}"`)

/** Lower-case names that {@link forwardedFields} sets. */
export const FORWARDED_NAMES: readonly string[] = [
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'forwarded',
]

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const KEY = /^[+/0-9A-Za-z]{22}==$/

/** Why a handshake is refused before an upstream is dialled. */
export interface HandshakeProblem {
  readonly status: number
  readonly message: string
  readonly headers?: Fields
}

/**
 * Checks a client's opening handshake (RFC 6455 §4.2.1); `undefined` if it is valid. Sub-protocols are left to the app,
 * because servers accept lists that the RFC does not allow.
 */
export function handshakeProblem({
  method,
  headers,
}: Pick<IncomingMessage, 'method' | 'headers'>): HandshakeProblem | undefined {
  if (method !== 'GET')
    return { status: 405, message: 'a WebSocket handshake is a GET request', headers: { Allow: 'GET' } }
  if (!offersWebSocket(headers.upgrade)) return { status: 400, message: 'the Upgrade header is not "websocket"' }
  if (headers['sec-websocket-version'] !== '13') {
    return { status: 426, message: 'the WebSocket version must be 13', headers: { 'Sec-WebSocket-Version': '13' } }
  }
  if (!KEY.test(headers['sec-websocket-key'] ?? ''))
    return { status: 400, message: 'Sec-WebSocket-Key is missing or not 16 bytes in base64' }
  return undefined
}
