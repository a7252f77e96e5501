import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { json } from 'node:stream/consumers'
import { buildApp } from '../../../hooks/app.ts'
import { loadHooksConfig } from '../../../hooks/config.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import type { KubeObject } from '../api.ts'

/** One call of a hook. */
export interface HookCall {
  /** Of the URL: `/decorator/sync`, … */
  readonly path: string
  /** The Deployment or WebSocketBalancer that it is about. */
  readonly object: KubeObject
}

/** What a hook of the decorator or the composite answers. */
export interface HookAnswer {
  annotations?: Record<string, string | null>
  attachments?: KubeObject[]
  [field: string]: unknown
}

/** Stands between a hook and its caller: may wait, change the answer, or throw, which the caller sees as status 500. */
export type Between = (call: HookCall, answer: HookAnswer) => Promise<HookAnswer> | HookAnswer

/** The real hooks as a server of this process, which can be told to be slow, wrong or absent. */
export interface HookServer {
  readonly address: string
  readonly metrics: Metrics
  /** All calls so far, oldest first. */
  readonly calls: readonly HookCall[]
  /** Sets who stands between; nobody without an argument. */
  between(step?: Between): void
  /** Takes no connections any more, as if every pod of the hooks was gone. */
  down(): Promise<void>
  /** Is there again, at the same address. */
  up(): Promise<void>
}

/** Starts the hooks with their default settings on a port of loopback. */
export async function startHookServer(): Promise<HookServer> {
  const metrics = new Metrics()
  const { app } = await buildApp(loadHooksConfig({}), { log: createLogger('hooks', 'test', 'silent'), metrics })
  const calls: HookCall[] = []
  let between: Between | undefined
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? ''
    const body = (await json(request)) as { object?: KubeObject; parent?: KubeObject }
    const { statusCode, payload } = await app.inject({ method: 'POST', url: path, payload: body })
    const call = { path, object: (body.object ?? body.parent) as KubeObject }
    calls.push(call)
    const text = statusCode === 200 && between ? JSON.stringify(await between(call, JSON.parse(payload))) : payload
    response.writeHead(statusCode, { 'content-type': 'application/json' }).end(text)
  }
  let server = listener(answer)
  await listen(server, 0)
  const { port } = server.address() as AddressInfo
  const down = async () => {
    if (!server.listening) return
    const closed = new Promise(resolve => server.close(resolve))
    server.closeAllConnections()
    await closed
  }
  return {
    address: `127.0.0.1:${port}`,
    metrics,
    calls,
    between: step => {
      between = step
    },
    down,
    async up() {
      server = listener(answer)
      await listen(server, port)
    },
  }
}

function listener(answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>): Server {
  return createServer((request, response) => {
    answer(request, response).catch((error: Error) => response.writeHead(500).end(error.message))
  })
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve))
}
