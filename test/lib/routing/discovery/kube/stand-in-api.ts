import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Test } from 'tap'
import type { KubeConfig } from '../../../../../lib/routing/discovery/kube/client.ts'
import { selfSigned } from '../../../../helpers/self-signed.ts'
import { waitFor } from '../../../../helpers/wait.ts'

/** One request that waits for the test to answer it. */
export interface Call {
  readonly path: string
  readonly query: URLSearchParams
  readonly authorization: string | undefined
  readonly response: ServerResponse
  /** Answers in full. */
  reply(status: number, body: unknown): void
  /** Sends one watch event; the response stays open. */
  event(type: string, object: unknown): void
}

/**
 * A stand-in for the API server: real HTTPS with a CA of its own, and answers that the test gives by hand, so that it can be as
 * slow or as broken as a test needs. That the real API server answers so is for the tests on a cluster.
 */
export class StandInApi {
  readonly config: KubeConfig
  readonly #waiting: Call[] = []

  private constructor(config: KubeConfig) {
    this.config = config
  }

  static async start(t: Test): Promise<StandInApi> {
    const { key, cert } = selfSigned()
    const folder = t.testdir({ token: 'first', 'ca.crt': cert })
    const server = createServer({ key, cert }, (request, response) => api.#take(request, response))
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { port } = server.address() as AddressInfo
    const files = { tokenFile: join(folder, 'token'), caFile: join(folder, 'ca.crt') }
    const api = new StandInApi({ host: '127.0.0.1', port, ...files })
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return api
  }

  setToken(token: string): void {
    // Nothing promises that there is no line end.
    writeFileSync(this.config.tokenFile, `${token}\n`)
  }

  /** The next request, which the test has to answer. */
  async next(): Promise<Call> {
    await waitFor(() => this.#waiting.length > 0, 'a request to the API server')
    return this.#waiting.shift() as Call
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const { pathname, searchParams } = new URL(request.url ?? '', 'https://stand-in')
    this.#waiting.push({
      path: pathname,
      query: searchParams,
      authorization: request.headers.authorization,
      response,
      reply: (status, body) => {
        response.writeHead(status, { 'content-type': 'application/json' })
        response.end(typeof body === 'string' ? body : JSON.stringify(body))
      },
      event: (type, object) => {
        response.write(`${JSON.stringify({ type, object })}\n`)
      },
    })
  }
}
