import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'
import { DRAIN_PATH } from '../names.ts'
import { ClientConnections } from './client-connections.ts'

/** Files that are kept back for those who ask after this process; above it the oldest idle connection ends. */
const MAX_ADMIN_CONNECTIONS = 32

/** Where the text of `/metrics` comes from. */
export interface AdminMetrics {
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>
}

/** What a program says of itself: `undefined` when it is ready, else the reason why not, for a person to read. */
export type Readiness = () => string | undefined | Promise<string | undefined>

/**
 * Hands over what a program has to somebody else, before it is asked to end. Resolves with what came of it, for a person to read, and
 * has a time limit of its own.
 */
export type HandOver = () => Promise<string>

/**
 * The admin server of a program: `/healthz` (the process answers), `/readyz` (200, or 503 with the reason) and `/metrics`
 * (Prometheus text). It listens on a port of its own, so that it is never reachable where clients are.
 *
 * @param handOver what `POST /drain` does, for requests of its own machine: others could end a pod with it. It is done once, and
 *   whoever asks again gets the same answer: 200 when it is over, 500 when it failed; from the first request on it is not ready
 */
export function buildAdmin(metrics: AdminMetrics, notReady: Readiness, handOver?: HandOver): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true })
  new ClientConnections({ soft: MAX_ADMIN_CONNECTIONS, hard: () => MAX_ADMIN_CONNECTIONS }).attach(app.server)
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
 * Whether a request comes from the same network namespace, as that of the `drain` command does. Not all of 127.0.0.0/8: a mesh's proxy
 * in the pod hands on what comes from outside, Istio's from 127.0.0.6.
 */
function isLoopback(address = ''): boolean {
  return ['127.0.0.1', '::1', '::ffff:127.0.0.1'].includes(address)
}
