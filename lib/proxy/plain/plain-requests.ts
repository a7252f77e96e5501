import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FlowMemory } from '../../bridge/bridge-options.ts'
import { serviceError } from '../../service/http/errors.ts'
import type { ServiceError } from '../../service/log/failure-log.ts'
import { YoungGarbage } from '../../service/memory/young-garbage.ts'
import { answerOf, type ErrorSinks } from '../error-response.ts'
import { hasTwoHosts } from '../handshake.ts'
import type { ProxyMetrics } from '../proxy-metrics.ts'
import type { WireConfig } from '../proxy-settings.ts'
import type { PlainTarget } from './outgoing-request.ts'
import type { PlainExchange, PlainResult } from './plain-exchange.ts'
import { PlainHttp } from './plain-http.ts'
import { type BodyPace, hasBody, watchBody } from './slow-body.ts'

export interface PlainRequestsOptions<T extends PlainTarget> {
  readonly config: WireConfig
  /** Whether a request is for the program's own routes. */
  isOwn(request: IncomingMessage): boolean
  /** Decides the destination of a request. @throws an error of the error table */
  plan(request: IncomingMessage, path: string): T
  /** Number of requests being answered, this one included. */
  requests(): number
  /** Upper limit of `requests`. */
  readonly maxRequests: number
  /** The memory budget of the process. */
  readonly memory: FlowMemory
  /** Memory budget of the process, in bytes; may be infinite. */
  readonly budgetBytes: number
  readonly sinks: ErrorSinks
  readonly counters: ProxyMetrics
}

/**
 * Handles requests that are not handshakes: passes them on, refuses them, or leaves them to the program's own routes.
 */
export class PlainRequests<T extends PlainTarget> {
  readonly #options: PlainRequestsOptions<T>
  readonly #http: PlainHttp
  readonly #pace: BodyPace

  constructor(options: PlainRequestsOptions<T>) {
    this.#options = options
    const { config, sinks } = options
    this.#http = new PlainHttp({
      timeoutMs: config.PLAIN_HTTP_TIMEOUT_MS,
      maxHeadBytes: config.MAX_HEADER_BYTES,
      hidden: sinks.topology.hidden,
      memory: options.memory,
      garbage: new YoungGarbage(options.budgetBytes),
    })
    this.#pace = { windowMs: config.PLAIN_HTTP_TIMEOUT_MS, minBytesPerSecond: config.MIN_BODY_BYTES_PER_SECOND }
  }

  /** Takes a request; `false` leaves it to the program's own routes. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const { config, counters, maxRequests, memory } = this.#options
    const path = request.url ?? '/'
    const refuse = (error: ServiceError) => this.#refuse(response, path, error)
    if (this.#options.requests() > maxRequests) {
      counters.shed('busy')
      refuse(serviceError('FULL', maxRequests))
      return true
    }
    if (memory.isFull && hasBody(request)) {
      counters.shed('memory')
      refuse(serviceError('NO_MEMORY'))
      return true
    }
    let isTooSlow = false
    watchBody(request, this.#pace, () => {
      isTooSlow = true
      counters.shed('slow_body')
      refuse(serviceError('SLOW_BODY'))
    })
    if (this.#options.isOwn(request)) return false
    if (config.PLAIN_HTTP === 'refuse') {
      refuse(serviceError('UPGRADE_REQUIRED'))
      return true
    }
    const work = async () => {
      if (hasTwoHosts(request)) throw serviceError('BAD_HOST')
      return this.#http.pass(request, response, this.#options.plan(request, path))
    }
    // If we have already answered a slow body, the result is not the upstream's.
    const count = (result: PlainResult) => counters.plain(isTooSlow ? 'failed' : result)
    work().then(count, (error: ServiceError) => {
      counters.plain('failed')
      refuse(error)
    })
    return true
  }

  /** Requests of a client connection that are under way, oldest first. */
  exchanges(client: Socket): ReadonlySet<PlainExchange> | undefined {
    return this.#http.exchanges(client)
  }

  close(): void {
    this.#http.close()
  }

  /** Answers with an error and closes the connection; an answer that has begun can only be broken off. */
  #refuse(response: ServerResponse, path: string, error: ServiceError): void {
    if (response.headersSent) {
      response.destroy()
      return
    }
    const { status, body, fields } = answerOf(error, path, this.#options.sinks)
    // With a reason phrase: otherwise that of a failed upstream response would remain.
    response.writeHead(status, STATUS_CODES[status], { ...fields, Connection: 'close' }).end(body)
  }
}
