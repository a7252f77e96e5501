import { request as httpRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { upstreamError, upstreamFault } from '../../bridge/socket/upstream-errors.ts'
import { serviceError } from '../../service/http/errors.ts'
import { USER_HEADER } from '../../service/names.ts'
import { MAX_INTERIM_ANSWERS } from '../../websocket/response-head.ts'
import { type Fields, passedFields, shownFields } from '../handshake.ts'
import { UpstreamConnections } from './upstream-connections.ts'

/** The destination of a request, and the fields that this hop changes. */
export interface PlainTarget {
  readonly host: string
  readonly port: number
  readonly drop: ReadonlySet<string>
  readonly set: Fields
  readonly answer: Fields
}

/**
 * Result of a request. `passed`: complete. `failed`: the answer broke off, or we answered because the body was too
 * slow. `left`: the client left before the end.
 */
export type PlainResult = 'passed' | 'failed' | 'left'

/** Safe methods (RFC 9110 §9.2.1) without TRACE. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request may be sent twice: a kept connection may close just when it is reused. */
const isRepeatable = ({ method = '', headers }: IncomingMessage): boolean =>
  SAFE.has(method) && headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'

/**
 * Whether a request may use a kept connection. HEAD may not: an app that wrongly sends a body would corrupt the next
 * answer.
 */
const mayShare = (request: IncomingMessage): boolean => isRepeatable(request) && request.method !== 'HEAD'

/** Whether a body has a transfer coding that we cannot remove and reapply. */
const isForeign = (coding: string | undefined): coding is string =>
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

export interface PlainHttpOptions {
  /** Longest time without bytes from the upstream, in milliseconds. */
  readonly timeoutMs: number
  /** Longest response head, in bytes. */
  readonly maxHeadBytes: number
  /** Lower-case names of response fields that clients must not get. */
  readonly hidden: ReadonlySet<string>
}

/** Passes plain HTTP requests to upstreams; request and response bodies are streamed. */
export class PlainHttp {
  readonly #connections = new UpstreamConnections()
  /** Keys for clients without a user, one per connection. */
  readonly #anonymous = new WeakMap<Socket, string>()
  #lastAnonymous = 0
  readonly #options: PlainHttpOptions

  constructor(options: PlainHttpOptions) {
    this.#options = options
  }

  /**
   * Resolves when the request is finished.
   *
   * @throws before an answer has begun: `WSO_ERR_UNSUPPORTED_CODING` (501), `WSO_ERR_UPSTREAM_UNREACHABLE` or
   * `WSO_ERR_UPSTREAM_FAILED` (502), or `WSO_ERR_UPSTREAM_TIMEOUT` (504)
   */
  async pass(request: IncomingMessage, response: ServerResponse, target: PlainTarget): Promise<PlainResult> {
    // Node's parser removes `chunked` but no other coding, so the body would pass without the name of its coding.
    const coding = request.headers['transfer-encoding']
    if (isForeign(coding)) throw serviceError('UNSUPPORTED_CODING', coding)
    try {
      return await this.#send(request, response, target, mayShare(request) ? this.#connections : false)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      return this.#send(request, response, target, false)
    }
  }

  /** @param agent `false` for a connection of its own */
  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { host, port, drop, set, answer }: PlainTarget,
    agent: UpstreamConnections | false,
  ): Promise<PlainResult> {
    const name = `${host}:${port}`
    const { timeoutMs, maxHeadBytes, hidden } = this.#options
    return new Promise((resolve, reject) => {
      const options = {
        agent,
        host,
        port,
        owner: this.#ownerOf(request.socket, set[USER_HEADER]),
        method: request.method,
        path: request.url,
        setHost: false,
        headers: [
          ...passedFields(request, drop),
          ...framing(request),
          ...hostOf(request, name),
          ...Object.entries(set),
        ].flat(),
        timeout: timeoutMs,
        maxHeaderSize: maxHeadBytes,
      }
      const outgoing = httpRequest(options)
      let failed = false
      let incoming: IncomingMessage | undefined
      // Once an answer has begun, an error can only break it off.
      const fail = (error: Error) => {
        if (failed) return
        failed = true
        outgoing.destroy()
        if (response.headersSent) response.destroy()
        else reject(error)
      }
      const broken = (why: string) => fail(upstreamError('UPSTREAM_FAILED', name, why))
      outgoing.once('timeout', () => fail(upstreamError('UPSTREAM_TIMEOUT', name, timeoutMs)))
      outgoing.on('error', error =>
        fail(outgoing.reusedSocket ? new StaleConnection() : upstreamFault(error, name, maxHeadBytes)),
      )
      let interim = 0
      outgoing.on('information', () => {
        if (++interim > MAX_INTERIM_ANSWERS) broken(`more than ${MAX_INTERIM_ANSWERS} answers of 1xx`)
      })
      const switched = (socket: Socket) => {
        socket.destroy()
        broken('it switched protocols without being asked')
      }
      outgoing.once('upgrade', (_incoming, socket) => switched(socket))
      outgoing.once('close', () => {
        if (!incoming) broken('it ended the connection')
      })
      outgoing.once('response', answered => {
        incoming = answered
        // Node emits `response` for a 101 without `Connection: Upgrade`.
        if (incoming.statusCode === 101) {
          switched(incoming.socket)
          return
        }
        this.#connections.answered(incoming)
        try {
          writeHead(response, incoming, answer, hidden)
        } catch (error) {
          broken((error as Error).message)
          return
        }
        pipeline(incoming, response, () => {})
      })
      // Precedes the pipeline's abort if the client left, and follows it if the answer broke off.
      // So it can tell the two cases apart.
      response.once('close', () => {
        outgoing.destroy()
        resolve(response.writableFinished ? 'passed' : failed || incoming?.errored ? 'failed' : 'left')
      })
      // Unlike `pipeline`, `pipe` keeps the client's socket open if the upstream fails, so that the client still gets
      // an answer.
      if (isRepeatable(request)) outgoing.end()
      else request.pipe(outgoing)
    })
  }

  close(): void {
    this.#connections.destroy()
  }

  #ownerOf(client: Socket, user: string | undefined): string {
    if (user !== undefined) return `user ${user}`
    const known = this.#anonymous.get(client)
    if (known !== undefined) return known
    const owner = `connection ${++this.#lastAnonymous}`
    this.#anonymous.set(client, owner)
    return owner
  }
}

/** A reason phrase that may be sent (RFC 9112 §4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** Writes the response head. @throws if Node rejects values that its parser accepted, such as status 099 */
function writeHead(
  response: ServerResponse,
  incoming: IncomingMessage,
  answer: Fields,
  hidden: ReadonlySet<string>,
): void {
  const { statusCode = 0, statusMessage = '' } = incoming
  const ours = new Set([...hidden, ...Object.keys(answer).map(field => field.toLowerCase())])
  const fields = [...passedFields(incoming, ours), ...shownFields(answer, hidden)].flat()
  response.writeHead(statusCode, REASON.test(statusMessage) ? statusMessage : STATUS_CODES[statusCode], fields)
}

/** A kept connection was no longer usable. */
class StaleConnection extends Error {}
