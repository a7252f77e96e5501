import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from '../service/log.ts'
import { ERROR_HEADER } from '../service/names.ts'
import type { Fields } from './handshake.ts'
import { encodeHead } from './head.ts'

/** An error of the error table, or one that nobody expected. */
export type ServiceError = Error & { code?: string; statusCode?: number }

/** What a client is told of an error, plain or in answer to a handshake; what is our fault is logged. */
export function answerOf(error: ServiceError, url: string, log: Logger) {
  const { statusCode: status = 500, code = 'WSO_ERR_INTERNAL', message } = error
  if (status >= 500) log.warn({ err: error, path: pathOnly(url) }, 'request failed')
  const fields: Fields = {
    'Content-Type': 'application/json',
    [ERROR_HEADER]: code,
    ...(status === 503 && { 'Retry-After': '1' }),
  }
  return { status, code, fields, body: JSON.stringify({ error: code, message }) }
}

/** A query may carry a token, so it never reaches a log. */
function pathOnly(url: string): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}

/** Answers a handshake and ends its connection. */
export function sayAndEnd(client: Socket, status: number, body: string, fields: Fields): void {
  if (!client.writable) {
    client.destroy()
    return
  }
  const all = { ...fields, 'Content-Length': String(Buffer.byteLength(body)), Connection: 'close' }
  client.write(encodeHead(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`, Object.entries(all)))
  client.write(body)
  endSoon(client)
}

/** Longest time that a client may keep its side open when ours has ended, in milliseconds. */
const LINGER_MS = 5000

/** Ends our side of a connection, reads what still comes, and cuts it off if the other side does not end too. */
export function endSoon(client: Socket): void {
  if (client.destroyed) return
  client.end()
  client.resume()
  // Not the socket's own timeout, which begins anew with each byte that still comes.
  const timer = setTimeout(() => client.destroy(), LINGER_MS)
  client.once('close', () => clearTimeout(timer))
}
