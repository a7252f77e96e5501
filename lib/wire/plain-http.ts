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
   * Resolves when the answer has passed.
   *
   * @throws `WSO_ERR_UPSTREAM_UNREACHABLE` (502) or `WSO_ERR_UPSTREAM_TIMEOUT` (504), while nothing has been answered yet
   */
  pass(
    request: IncomingMessage,
    response: ServerResponse,
    { host, port, drop, set, answer }: PlainTarget,
  ): Promise<void> {
    const name = `${host}:${port}`
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({
        agent: this.#agent,
        host,
        port,
        method: request.method,
        path: request.url,
        setHost: false,
        headers: [...passedFields(request, drop), ...Object.entries(set)].flat(),
        timeout: this.#timeoutMs,
      })
      // Once an answer has begun, all that is left to say is that it ends too early.
      const fail = (error: Error) => {
        outgoing.destroy()
        if (response.headersSent) response.destroy()
        else reject(error)
        resolve()
      }
      outgoing.once('timeout', () => fail(serviceError('UPSTREAM_TIMEOUT', name, this.#timeoutMs)))
      outgoing.once('error', error => fail(serviceError('UPSTREAM_UNREACHABLE', name, error.message)))
      response.once('close', () => {
        if (!response.writableFinished) outgoing.destroy()
        resolve()
      })
      outgoing.once('response', incoming => {
        const ours = new Set(Object.keys(answer).map(field => field.toLowerCase()))
        const fields = [...passedFields(incoming, ours), ...Object.entries(answer)]
        response.writeHead(incoming.statusCode ?? 502, incoming.statusMessage, fields.flat())
        pipeline(incoming, response, () => resolve())
      })
      pipeline(request, outgoing, () => {})
    })
  }

  close(): void {
    this.#agent.destroy()
  }
}
