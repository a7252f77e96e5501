import { Agent, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
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
   * Resolves when the answer has passed, or has ended too early.
   *
   * @throws `WSO_ERR_UNSUPPORTED_CODING` (501), `WSO_ERR_UPSTREAM_UNREACHABLE` or `WSO_ERR_UPSTREAM_FAILED` (502) or
   * `WSO_ERR_UPSTREAM_TIMEOUT` (504), while nothing has been answered yet
   */
  async pass(request: IncomingMessage, response: ServerResponse, target: PlainTarget): Promise<void> {
    // The parser takes off `chunked` and leaves other codings on the body, which would go on without their names.
    const coding = request.headers['transfer-encoding']
    if (isForeign(coding)) throw serviceError('UNSUPPORTED_CODING', coding)
    try {
      await this.#send(request, response, target, isRepeatable(request) ? this.#agent : false)
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error
      await this.#send(request, response, target, false)
    }
  }

  /** @param agent `false`: over a connection of its own */
  #send(
    request: IncomingMessage,
    response: ServerResponse,
    { host, port, drop, set, answer }: PlainTarget,
    agent: Agent | false,
  ): Promise<void> {
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
      // Once an answer has begun, all that is left to say is that it ends too early.
      const fail = (error: Error) => {
        if (failed) return
        failed = true
        response.off('close', leave)
        outgoing.destroy()
        if (response.headersSent || response.destroyed) resolve(void response.destroy())
        else reject(error)
      }
      const leave = () => {
        if (!response.writableFinished) outgoing.destroy()
        resolve()
      }
      response.once('close', leave)
      outgoing.once('timeout', () => fail(serviceError('UPSTREAM_TIMEOUT', name, this.#timeoutMs)))
      outgoing.on('error', ({ message }) =>
        fail(outgoing.reusedSocket ? new StaleConnection() : serviceError('UPSTREAM_UNREACHABLE', name, message)),
      )
      outgoing.once('response', incoming => {
        const ours = new Set(Object.keys(answer).map(field => field.toLowerCase()))
        const fields = [...passedFields(incoming, ours), ...Object.entries(answer)]
        response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, fields.flat())
        pipeline(incoming, response, () => resolve())
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

/** A kept connection was of no use any more. */
class StaleConnection extends Error {}
