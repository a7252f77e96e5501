import type { IncomingMessage } from 'node:http'
import { type Fields, passedFields } from '../handshake.ts'
import { hasBody } from './slow-body.ts'

/** The destination of a request, and the fields that this hop changes. */
export interface PlainTarget {
  readonly host: string
  readonly port: number
  readonly drop: ReadonlySet<string>
  readonly set: Fields
  readonly answer: Fields
}

/** Safe methods (RFC 9110 §9.2.1) without TRACE. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request may be sent twice: a kept connection may close just when it is reused. */
export const isRepeatable = (request: IncomingMessage): boolean => SAFE.has(request.method ?? '') && !hasBody(request)

/**
 * Whether a request may use a kept connection. HEAD may not: an app that wrongly sends a body would corrupt the next
 * answer.
 */
export const mayShare = (request: IncomingMessage): boolean => isRepeatable(request) && request.method !== 'HEAD'

/** Whether a body has a transfer coding that we cannot remove and reapply. */
export const isForeign = (coding: string | undefined): coding is string =>
  coding !== undefined && coding.trim().toLowerCase() !== 'chunked'

/**
 * Frames the body for the next hop if `Content-Length` does not. For methods that rarely have a body, such as GET, Node
 * would write the bare body after the head, and the next hop would read it as another request.
 */
const framing = ({ headers }: IncomingMessage): [string, string][] =>
  headers['transfer-encoding'] === undefined ? [] : [['Transfer-Encoding', 'chunked']]

/** HTTP/1.0 allows a request without `Host`; the HTTP/1.1 request to the upstream must have one (RFC 9112 §3.2). */
const hostOf = ({ headers }: IncomingMessage, upstream: string): [string, string][] =>
  headers.host === undefined ? [['Host', upstream]] : []

/** The destination as `host:port`. */
export const nameOf = ({ host, port }: PlainTarget): string => `${host}:${port}`

/** The options of `http.request` that repeat a request to its destination, without those of the connection. */
export function outgoingRequest(request: IncomingMessage, target: PlainTarget) {
  return {
    host: target.host,
    port: target.port,
    method: request.method,
    path: request.url,
    setHost: false,
    headers: [
      ...passedFields(request, target.drop),
      ...framing(request),
      ...hostOf(request, nameOf(target)),
      ...Object.entries(target.set),
    ].flat(),
  }
}
