import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { DRAIN_PATH } from '../names.ts'
import { ClientConnections } from './client-connections.ts'

/** Connections reserved for health checks and metrics; above it the oldest idle one is closed. */
const MAX_ADMIN_CONNECTIONS = 32

/** Source of the text of `/metrics`. */
export interface AdminMetrics {
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>
}

/** Readiness: `undefined` if ready, else a human-readable reason. */
export type Readiness = () => string | undefined | Promise<string | undefined>

/**
 * Hands a program's work over before the program is asked to end. Resolves with a human-readable result; has its own
 * time limit.
 */
export type HandOver = () => Promise<string>

/**
 * The admin server of a program: `/healthz` (the process answers), `/readyz` (200, or 503 with the reason) and
 * `/metrics` (Prometheus text). It has its own port, so that clients never reach it.
 *
 * @param handOver run by `POST /drain`, for local requests only, because others could drain a pod with it. Runs once;
 * every caller gets the same result: 200 on success, 500 on failure. From the first request on, the program is not
 * ready
 */
export function buildAdmin(metrics: AdminMetrics, notReady: Readiness, handOver?: HandOver): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true })
  const limits = { soft: MAX_ADMIN_CONNECTIONS, hard: () => MAX_ADMIN_CONNECTIONS, requests: MAX_ADMIN_CONNECTIONS }
  new ClientConnections(limits).attach(app.server)
  // Of a connection that was closed for its pipelined requests.
  app.addHook('onRequest', async ({ socket }, reply) => {
    if (socket.destroyed) reply.hijack()
  })
  let draining: Promise<string> | undefined
  app.get('/healthz', async () => 'ok\n')
  app.get('/readyz', async (_request, reply) => {
    const reason = draining ? 'draining' : await notReady()
    return reason === undefined ? 'ready\n' : reply.code(503).send(`${reason}\n`)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  if (handOver) {
    app.post(DRAIN_PATH, async (request, reply) => {
      if (!isLoopback(request.socket.remoteAddress)) return reply.code(403).send('only from inside the pod\n')
      draining ??= handOver()
      try {
        return `${await draining}\n`
      } catch (error) {
        return reply.code(500).send(`the hand-over failed: ${(error as Error).message}\n`)
      }
    })
  }
  return app
}

/**
 * Whether a request comes from the same network namespace, as that of the `drain` command does. Not all of 127.0.0.0/8:
 * a mesh's proxy in the pod forwards external requests, Istio's from 127.0.0.6.
 */
function isLoopback(address = ''): boolean {
  return ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(address)
}
