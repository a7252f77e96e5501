import fastify, { type FastifyInstance } from 'fastify'
import type { Registry } from 'prom-client'

/** Where the text of `/metrics` comes from. */
export interface AdminMetrics {
  readonly registry: Pick<Registry, 'contentType' | 'metrics'>
}

/** What a program says of itself: `undefined` when it is ready, else the reason why not, for a person to read. */
export type Readiness = () => string | undefined | Promise<string | undefined>

/**
 * The admin server of a program: `/healthz` (the process answers), `/readyz` (200, or 503 with the reason) and `/metrics`
 * (Prometheus text). It listens on a port of its own, so that it is never reachable where clients are.
 */
export function buildAdmin(metrics: AdminMetrics, notReady: Readiness): FastifyInstance {
  const app = fastify({ logger: false, forceCloseConnections: true })
  app.get('/healthz', async () => 'ok\n')
  app.get('/readyz', async (_request, reply) => {
    const reason = await notReady()
    return reason === undefined ? 'ready\n' : reply.code(503).send(`${reason}\n`)
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  )
  return app
}
