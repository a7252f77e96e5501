import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { toldMessage } from '../service/http/errors.ts'
import { type FailureLog, isUnexpected, pathOnly, type ServiceError } from '../service/log/failure-log.ts'
import { ERROR_HEADER } from '../service/names.ts'
import { encodeHead } from '../websocket/response-head.ts'
import type { Fields } from './handshake.ts'
import type { Topology } from './topology.ts'

const INTERNAL = { status: 500, code: 'WSO_ERR_INTERNAL', message: 'internal error' }

/** Failure log and topology rules for error responses. */
export interface ErrorSinks {
  readonly failures: FailureLog
  readonly topology: Topology
}

/**
 * Builds the error response to a plain request or a handshake. Errors of status 500 and above are logged with their
 * details.
 */
export function answerOf(error: ServiceError, url: string, { failures, topology }: ErrorSinks) {
  const { statusCode = 500, code = '', upstream } = error
  const message = topology.isExposed ? error.message : toldMessage(error)
  const told = isUnexpected(error) ? INTERNAL : { status: statusCode, code, message }
  if (told.status >= 500) failures.add(error, { path: pathOnly(url) })
  const fields: Fields = {
    'Content-Type': 'application/json',
    [ERROR_HEADER]: told.code,
    ...(told.status === 503 && { 'Retry-After': '1' }),
    ...topology.own,
  }
  return {
    status: told.status,
    code: told.code,
    fields,
    body: JSON.stringify({ error: told.code, message: told.message, ...(topology.isExposed && { upstream }) }),
  }
}

/** Answers a handshake and closes its connection. */
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

/** How long a client may keep its side open after we have ended ours, in milliseconds. */
const LINGER_MS = 5000

/**
 * Ends our side of a connection, discards further bytes, and destroys the socket if the other side does not end in
 * time.
 */
export function endSoon(client: Socket): void {
  if (client.destroyed) return
  client.end()
  client.resume()
  // The socket's own timeout would restart with each byte that arrives.
  const timer = setTimeout(() => client.destroy(), LINGER_MS)
  client.once('close', () => clearTimeout(timer))
}
