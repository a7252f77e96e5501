import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { serviceError } from '../../service/http/errors.ts'
import { USER_HEADER } from '../../service/names.ts'
import { isForeign, mayShare, nameOf, outgoingRequest, type PlainTarget } from './outgoing-request.ts'
import { PlainExchange, type PlainExchangeOptions, type PlainResult, StaleConnection } from './plain-exchange.ts'
import { UpstreamConnections } from './upstream-connections.ts'

export type PlainHttpOptions = Pick<
  PlainExchangeOptions,
  'timeoutMs' | 'maxHeadBytes' | 'hidden' | 'memory' | 'garbage'
>

/** Passes plain HTTP requests to upstreams; request and response bodies are streamed. */
export class PlainHttp {
  readonly #connections = new UpstreamConnections()
  /** Keys for clients without a user, one per connection. */
  readonly #anonymous = new WeakMap<Socket, string>()
  #lastAnonymous = 0
  /** Requests under way by client connection, oldest first; more than one with pipelining. */
  readonly #exchanges = new WeakMap<Socket, Set<PlainExchange>>()
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
    target: PlainTarget,
    agent: UpstreamConnections | false,
  ): Promise<PlainResult> {
    const { timeoutMs, maxHeadBytes } = this.#options
    const options = {
      ...outgoingRequest(request, target),
      agent,
      owner: this.#ownerOf(request.socket, target.set[USER_HEADER]),
      timeout: timeoutMs,
      maxHeaderSize: maxHeadBytes,
    }
    const exchange = new PlainExchange(request, httpRequest(options), response, {
      ...this.#options,
      upstream: nameOf(target),
      answer: target.answer,
      onAnswer: incoming => this.#connections.answered(incoming),
    })
    return this.#track(request.socket, exchange)
  }

  /** Requests of a client connection that are under way, oldest first. */
  exchanges(client: Socket): ReadonlySet<PlainExchange> | undefined {
    return this.#exchanges.get(client)
  }

  async #track(client: Socket, exchange: PlainExchange): Promise<PlainResult> {
    const all = this.#exchanges.get(client) ?? new Set()
    this.#exchanges.set(client, all.add(exchange))
    try {
      return await exchange.result
    } finally {
      all.delete(exchange)
    }
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
