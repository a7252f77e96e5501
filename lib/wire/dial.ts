import type { IncomingMessage } from 'node:http'
import { WebSocket } from 'ws'
import { serviceError } from '../service/errors.ts'
import { endToEndFields, type HeaderFields } from './handshake.ts'

/** A handshake to repeat towards an upstream. */
export interface UpstreamHandshake {
  readonly host: string
  readonly port: number
  /** Path and query, byte for byte as the client sent them. */
  readonly path: string
  readonly protocols: readonly string[]
  readonly headers: HeaderFields
}

export interface DialLimits {
  readonly handshakeTimeoutMs: number
  readonly maxPayloadBytes: number
}

/** The upstream took the handshake. It is paused: nothing it has sent is lost before somebody listens. */
export interface Opened {
  readonly kind: 'opened'
  readonly socket: WebSocket
  /** The sub-protocol it chose; empty: none. */
  readonly protocol: string
  readonly headers: HeaderFields
}

/** The upstream answered with another status than 101; the client gets the same answer. */
export interface Refused {
  readonly kind: 'refused'
  readonly status: number
  readonly headers: HeaderFields
  readonly body: Buffer
}

/** Longest body of a refusal that is passed on, in bytes; the rest is cut. */
const MAX_REFUSAL_BYTES = 65_536

/**
 * Opens a WebSocket to an upstream with a client's handshake.
 *
 * @param signal aborts the attempt with its reason, which must be an `Error`
 * @throws `WSO_ERR_UPSTREAM_UNREACHABLE` (502), `WSO_ERR_UPSTREAM_TIMEOUT` (504), or the signal's reason
 */
export function dial(target: UpstreamHandshake, limits: DialLimits, signal: AbortSignal): Promise<Opened | Refused> {
  const name = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`
  return new Promise((resolve, reject) => {
    let headers: HeaderFields = {}
    let protocol = ''
    let settled = false
    const settle = (action: () => void) => {
      if (settled) return
      settled = true
      clearTimeout(timer)
      signal.removeEventListener('abort', abandon)
      action()
    }
    const fail = (error: Error) =>
      settle(() => {
        socket.terminate()
        reject(error)
      })
    const abandon = () => fail(signal.reason as Error)
    const timer = setTimeout(
      () => fail(serviceError('UPSTREAM_TIMEOUT', name, limits.handshakeTimeoutMs)),
      limits.handshakeTimeoutMs,
    )

    const socket = new WebSocket(`ws://${name}/`, [...target.protocols], {
      headers: target.headers,
      maxPayload: limits.maxPayloadBytes,
      perMessageDeflate: false,
      // Pings are the app's and the client's business: they pass through, and so do the pongs.
      autoPong: false,
      // The constructor takes a URL and would normalise it; the path goes on as it came.
      finishRequest: request => {
        request.path = target.path
        request.end()
      },
    })
    // Stays for the socket's life: an error without a listener would end the process.
    socket.on('error', error => fail(serviceError('UPSTREAM_UNREACHABLE', name, error.message)))
    socket.on('upgrade', response => {
      headers = endToEndFields(response)
      protocol = response.headers['sec-websocket-protocol'] ?? ''
      // Choosing none of the offered sub-protocols is the app's right (RFC 6455 §4.2.2), and the client's to judge; `ws` would
      // fail the connection here.
      if (protocol === '' && target.protocols[0] !== undefined)
        response.headers['sec-websocket-protocol'] = target.protocols[0]
    })
    socket.on('open', () => {
      socket.pause()
      settle(() => resolve({ kind: 'opened', socket, protocol, headers }))
    })
    socket.on('unexpected-response', (request, response) => {
      readBody(response)
        .then(
          body =>
            settle(() =>
              resolve({ kind: 'refused', status: response.statusCode ?? 502, headers: endToEndFields(response), body }),
            ),
          error => fail(serviceError('UPSTREAM_UNREACHABLE', name, (error as Error).message)),
        )
        .finally(() => request.destroy())
    })
    if (signal.aborted) abandon()
    else signal.addEventListener('abort', abandon)
  })
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes >= MAX_REFUSAL_BYTES) break
  }
  return Buffer.concat(chunks).subarray(0, MAX_REFUSAL_BYTES)
}
