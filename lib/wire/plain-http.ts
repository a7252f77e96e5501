import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { pipeline } from 'node:stream'
import { serviceError } from '../service/errors.ts'
import { type Fields, passedFields } from './handshake.ts'

/** Where a request goes, and what this hop changes of it. */
export interface PlainTarget {
  readonly host: string
  readonly port: number
  readonly drop: ReadonlySet<string>
  readonly set: Fields
  readonly answer: Fields
}

/** What became of a request: its answer has passed, or broke off, or the client did not wait for the end of it. */
export type PlainResult = 'passed' | 'failed' | 'left'

/** Methods that change nothing (RFC 9110 §9.2.1), TRACE aside. */
const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * Whether a request may be sent twice. A kept connection may end in the moment in which it is used again, and nobody can tell
 * whether the request has arrived; so only these requests go over kept connections.
 */
const isRepeatable = ({ method = '', headers }: IncomingMessage): boolean =>
  SAFE.has(method) && headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0'

/** Whether a body has a transfer coding that is not ours to take off and put on again. */
const isForeign = (coding: string | undefined): coding is string =>
  coding !== undefined && coding.trim().toLowerCase() !== 'chunked'

/**
 * What tells the next hop where a body ends, if no `Content-Length` does. It has to be said: for methods that seldom have a body,
 * such as GET and DELETE, Node would write it behind the head as it is, and the next hop would read it as another request.
 */
const framing = ({ headers }: IncomingMessage): [string, string][] =>
  headers['transfer-encoding'] === undefined ? [] : [['Transfer-Encoding', 'chunked']]

/**
 * Passes plain HTTP requests on, body and answer as streams.
 *
 * @param timeoutMs longest time in which nothing comes from the upstream
 */
export class PlainHttp {
  readonly #agent = new Agent({ keepAlive: true })
  readonly #timeoutMs: number

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs
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
      return await this.#send(request, response, target, isRepeatable(request) ? this.#agent : false)
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
    agent: Agent | false,
  ): Promise<PlainResult> {
    const name = `${host}:${port}`
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({
        agent,
        host,
        port,
        method: request.method,
        path: request.url,
        setHost: false,
        headers: [...passedFields(request, drop), ...framing(request), ...Object.entries(set)].flat(),
        timeout: this.#timeoutMs,
      })
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
      const broken = (why: string) => fail(serviceError('UPSTREAM_FAILED', name, why))
      outgoing.once('timeout', () => fail(serviceError('UPSTREAM_TIMEOUT', name, this.#timeoutMs)))
      outgoing.on('error', ({ message }) =>
        fail(outgoing.reusedSocket ? new StaleConnection() : serviceError('UPSTREAM_UNREACHABLE', name, message)),
      )
      outgoing.once('upgrade', (_incoming, socket) => {
        socket.destroy()
        broken('it switched protocols without being asked')
      })
      outgoing.once('close', () => {
        if (!incoming) broken('it ended the connection')
      })
      outgoing.once('response', answered => {
        incoming = answered
        try {
          writeHead(response, incoming, answer)
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
    this.#agent.destroy()
  }
}

/** A reason phrase that may be sent (RFC 9112 §4). */
const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** Begins an answer. @throws where Node does not write what it has read, such as a status of 099 */
function writeHead(response: ServerResponse, incoming: IncomingMessage, answer: Fields): void {
  const { statusCode = 0, statusMessage = '' } = incoming
  const ours = new Set(Object.keys(answer).map(field => field.toLowerCase()))
  const fields = [...passedFields(incoming, ours), ...Object.entries(answer)].flat()
  response.writeHead(statusCode, REASON.test(statusMessage) ? statusMessage : STATUS_CODES[statusCode], fields)
}

/** A kept connection was of no use any more. */
class StaleConnection extends Error {}
