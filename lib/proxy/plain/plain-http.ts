import { request as httpRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import { pipeline } from 'node:stream'
import { upstreamError, upstreamFault } from '../../bridge/socket/upstream-errors.ts'
import { serviceError } from '../../service/http/errors.ts'
import { USER_HEADER } from '../../service/names.ts'
import { MAX_INTERIM_ANSWERS } from '../../websocket/response-head.ts'
import { type Fields, passedFields, shownFields } from '../handshake.ts'
import { UpstreamConnections } from './upstream-connections.ts'

/** Where a request goes, and what this hop changes of it. */
export interface PlainTarget {
  readonly host: string
  readonly port: number
  readonly drop: ReadonlySet<string>
  readonly set: Fields
  readonly answer: Fields
}

/** What became of a request: its answer has passed, or broke off (or was one of ours, for a body that came too slowly), or the client did not wait for the end of it. */
export type PlainResult = 'passed' | 'failed' | 'left'

/** Methods that change nothing (RFC 9110 §9.2.1), TRACE aside. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/** Whether a request may be sent twice: a kept connection may end in the moment in which it is used again. */
const isRepeatable = ({ method = '', headers }: IncomingMessage): boolean =>
  SAFE.has(method) && headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'

/** Whether a request goes over a kept connection. Not HEAD: an app that sends a body all the same would begin the next answer with it. */
const mayShare = (request: IncomingMessage): boolean => isRepeatable(request) && request.method !== 'HEAD'

/** Whether a body has a transfer coding that is not ours to take off and put on again. */
const isForeign = (coding: string | undefined): coding is string =>
  coding !== undefined && coding.trim().toLowerCase() !== 'chunked'

/**
 * What tells the next hop where a body ends, if no `Content-Length` does. It has to be said: for methods that seldom have a body,
 * such as GET and DELETE, Node would write it behind the head as it is, and the next hop would read it as another request.
 */
const framing = ({ headers }: IncomingMessage): [string, string][] =>
  headers['transfer-encoding'] === undefined ? [] : [['Transfer-Encoding', 'chunked']]

/** HTTP/1.0 allows a request without Host, what it is repeated as does not (RFC 9112 §3.2). */
const hostOf = ({ headers }: IncomingMessage, upstream: string): [string, string][] =>
  headers.host === undefined ? [['Host', upstream]] : []

export interface PlainHttpOptions {
  /** Longest time in which nothing comes from the upstream, in milliseconds. */
  readonly timeoutMs: number
  /** Longest head of an answer, in bytes. */
  readonly maxHeadBytes: number
  /** Lower-case names of fields of answers that clients do not get. */
  readonly hidden: ReadonlySet<string>
}

/** Passes plain HTTP requests on, body and answer as streams. */
export class PlainHttp {
  readonly #connections = new UpstreamConnections()
  /** Clients that name no user, by their connection. */
  readonly #anonymous = new WeakMap<Socket, string>()
  #lastAnonymous = 0
  readonly #options: PlainHttpOptions

  constructor(options: PlainHttpOptions) {
    this.#options = options
  }

  /**
   * Resolves when nothing more comes of it.
   *
   * @throws `WSO_ERR_UNSUPPORTED_CODING` (501), `WSO_ERR_UPSTREAM_UNREACHABLE` or `WSO_ERR_UPSTREAM_FAILED` (502) or
   * `WSO_ERR_UPSTREAM_TIMEOUT` (504), while nothing has been answered yet
   */
  async pass(request: IncomingMessage, response: ServerResponse, target: PlainTarget): Promise<PlainResult> {
    // The parser takes off `chunked` and leaves other codings on the body, which would go on without their names.
    const coding = request.headers['transfer-encoding']
    if (isForeign(coding)) throw serviceError('UNSUPPORTED_CODING', coding)
    try {
      return await this.#send(request, response, target, mayShare(request) ? this.#connections : false)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      return this.#send(request, response, target, false)
    }
  }

  /** @param agent `false`: over a connection of its own */
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
      // Once an answer has begun, all that is left to say is that it ends too early.
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
        // Without `Connection: Upgrade` it comes here.
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
      // Comes before a pipeline that it breaks off, and after an answer that breaks off: so it knows who left.
      response.once('close', () => {
        outgoing.destroy()
        resolve(response.writableFinished ? 'passed' : failed || incoming?.errored ? 'failed' : 'left')
      })
      // Unlike a pipeline, this leaves the client's connection as it is when the upstream fails: it still gets an answer.
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

/** Begins an answer. @throws where Node does not write what it has read, such as a status of 099 */
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

/** A kept connection was of no use any more. */
class StaleConnection extends Error {}
