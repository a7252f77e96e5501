import type { IncomingMessage } from 'node:http'
import { isIPv6 } from 'node:net'
import { USER_HEADER } from '../service/names.ts'
import { encodeHead, fieldOf, type ResponseHead } from '../websocket/response-head.ts'

type Request = Pick<IncomingMessage, 'method' | 'headers' | 'rawHeaders'>

/** Header fields that a hop sets, by name. */
export type Fields = Readonly<Record<string, string>>

/** Fields that belong to one connection, not to the message (RFC 9110 §7.6.1). */
const PER_CONNECTION = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * Fields of a handshake that do not pass although the rest of it does: an extension has a state that nobody in between could
 * carry over to another upstream, so none is ever negotiated; and a handshake has no body.
 */
const NOT_OF_A_HANDSHAKE: ReadonlySet<string> = new Set(['sec-websocket-extensions', 'content-length', 'expect'])

/**
 * The fields of a request or an answer that go on to the next hop, in their order and spelling.
 *
 * @param drop lower-case names of further fields that must not pass, such as an identity that a client could have forged; nor do
 *   they with `_` instead of `-`, for apps that find both under one name (CGI, RFC 3875 §4.1.18, and what is made like it)
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
    // Whoever lists a field in Connection takes it back from us; what the message cannot be without cannot be taken back.
    if (listed.includes(lower) && !ESSENTIAL.test(lower)) continue
    fields.push([name, rawHeaders[i + 1] as string])
  }
  return fields
}

/** Values of Connection that list nothing but what never passes, which are nearly all of them. */
const USUAL = /^(?:upgrade|keep-alive|close)?$/i

const ESSENTIAL = /^(?:host|content-length|sec-websocket-.*)$/

/**
 * The opening handshake to repeat towards an upstream, byte for byte what the client sent: its key, so that the upstream's answer
 * is the answer to the client; its path, sub-protocols, cookies and other fields.
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

/** A handshake of {@link repeatHandshake} with one more field. */
export function withField(handshake: Buffer, name: string, value: string): Buffer {
  // Before the empty line that ends it.
  return Buffer.concat([handshake.subarray(0, -2), Buffer.from(`${name}: ${value}\r\n\r\n`, 'latin1')])
}

/**
 * An upstream's answer as the client gets it. The user that it names is for this hop, which tells the hop before by `answer`.
 *
 * @param answer fields that this hop sets, instead of any of the same name
 * @param hidden lower-case names of fields that the client does not get, whoever sets them
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
    // A refusal ends the connection, whatever the upstream would do with it next.
    return status === 101 || (lower !== 'connection' && lower !== 'keep-alive')
  })
  return encodeHead(statusLine, [
    ...passed,
    ...(status === 101 ? [] : [['Connection', 'close'] as const]),
    ...shownFields(answer, hidden),
  ])
}

/** The fields that a client gets, of those that this hop sets. */
export const shownFields = (answer: Fields, hidden: ReadonlySet<string>): [name: string, value: string][] =>
  Object.entries(answer).filter(([name]) => !hidden.has(name.toLowerCase()))

/** Whether an answer accepts a handshake (RFC 6455 §4.1): everything else is the client's own to judge. */
export function isAccepted(head: ResponseHead): boolean {
  return head.status === 101 && offersWebSocket(fieldOf(head, 'upgrade'))
}

/** Whether `websocket` is among the protocols of an `Upgrade` field (RFC 9110 §7.8). */
const offersWebSocket = (field: string | undefined): boolean =>
  itemsOf(field).some(item => item.toLowerCase() === 'websocket')

/** The elements of a list; empty ones are to be ignored (RFC 9110 §5.6.1). */
const itemsOf = (field: string | string[] | undefined): string[] =>
  [field ?? '']
    .flat()
    .join(',')
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')

/** Whether a request names more than one `Host`: the next hop could choose another one than we did (RFC 9112 §3.2). */
export function hasTwoHosts({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>): boolean {
  let hosts = 0
  for (let i = 0; i < rawHeaders.length; i += 2) if (rawHeaders[i]?.toLowerCase() === 'host') hosts++
  return hosts > 1
}

/**
 * Adds what this hop knows of the client to the `X-Forwarded-*` fields, keeping what proxies before it said, and to `Forwarded`
 * (RFC 7239) where there is one: whoever does not use it is not sent it. A protocol and a host stay one for all hops, or are one for
 * each address: apps refuse lists of other lengths.
 *
 * @param remoteAddress address of the connection's other end
 * @param host the `Host` that the client asked for
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

/** A client's own quoted string that does not end would take in what comes after it. */
const QUOTES_END = /^(?:[^"]|"(?:[^"\\]|\\.)*")*$/

function extendForwarded(before: string, remoteAddress: string, host: string): string {
  const node = isIPv6(remoteAddress) ? `[${remoteAddress}]` : remoteAddress
  const element = `for=${forwardedValue(node)};host=${forwardedValue(host)};proto=http`
  return before.trim() !== '' && QUOTES_END.test(before) ? `${before}, ${element}` : element
}

/** A value of `Forwarded`: a token, or quoted. */
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

/** Why a handshake is refused before anybody is dialled. */
export interface HandshakeProblem {
  readonly status: number
  readonly message: string
  readonly headers?: Fields
}

/**
 * What is wrong with a client's opening handshake (RFC 6455 §4.2.1), or `undefined`. Sub-protocols are for the app to judge: servers
 * take lists that the RFC does not.
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
