import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { serviceError } from '../../service/http/errors.ts'
import type { ServiceError } from '../../service/log/failure-log.ts'
import { answerOf, type ErrorSinks } from '../error-response.ts'
import { hasTwoHosts } from '../handshake.ts'
import type { ProxyMetrics } from '../proxy-metrics.ts'
import type { WireConfig } from '../proxy-settings.ts'
import { PlainHttp, type PlainResult, type PlainTarget } from './plain-http.ts'
import { type BodyPace, watchBody } from './slow-body.ts'

export interface PlainRequestsOptions<T extends PlainTarget> {
  readonly config: WireConfig
  /** Whether a request is for routes of the program itself. */
  isOwn(request: IncomingMessage): boolean
  /** Decides where a request goes. @throws an error of the error table */
  plan(request: IncomingMessage, path: string): T
  /** Requests that are being answered, this one included. */
  requests(): number
  /** Most of them. */
  readonly maxRequests: number
  readonly sinks: ErrorSinks
  readonly counters: ProxyMetrics
}

/** Requests that are no handshakes: passed on, refused, or left to the program's own routes. */
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
    })
    this.#pace = { windowMs: config.PLAIN_HTTP_TIMEOUT_MS, minBytesPerSecond: config.MIN_BODY_BYTES_PER_SECOND }
  }

  /** Takes a request, or leaves it to the program's own routes: `false`. */
  take(request: IncomingMessage, response: ServerResponse): boolean {
    const { config, counters, maxRequests } = this.#options
    const path = request.url ?? '/'
    const refuse = (error: ServiceError) => this.#refuse(response, path, error)
    if (this.#options.requests() > maxRequests) {
      counters.shed('busy')
      refuse(serviceError('FULL', maxRequests))
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
    // An answer of ours that has been written is none of the upstream's.
    const count = (result: PlainResult) => counters.plain(isTooSlow ? 'failed' : result)
    work().then(count, (error: ServiceError) => {
      counters.plain('failed')
      refuse(error)
    })
    return true
  }

  close(): void {
    this.#http.close()
  }

  /** Answers with an error, as the last on its connection; where an answer has begun, all that is left is to break it off. */
  #refuse(response: ServerResponse, path: string, error: ServiceError): void {
    if (response.headersSent) {
      response.destroy()
      return
    }
    const { status, body, fields } = answerOf(error, path, this.#options.sinks)
    // With its reason: otherwise that of an answer which could not be passed on would be left.
    response.writeHead(status, STATUS_CODES[status], { ...fields, Connection: 'close' }).end(body)
  }
}
