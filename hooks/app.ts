import fastify, { type FastifyBaseLogger, type FastifyError, LogController } from 'fastify'
import type { TSchema } from 'typebox'
import { serviceError } from '../lib/service/errors.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { tokenCheck } from '../lib/service/token.ts'
import { relatedRules } from './balancer/related.ts'
import { finalizeBalancer, syncBalancer } from './composite.ts'
import type { HooksConfig, Rendering } from './config.ts'
import { finalizeDeployment, syncDeployment } from './decorator.ts'
import {
  type CompositeRequest,
  type CustomizeRequest,
  compositeRequest,
  customizeRequest,
  type DecoratorRequest,
  decoratorRequest,
} from './schemas.ts'

/** Metacontroller sends an object with all that belongs to it; etcd keeps an object below 1.5 MiB. */
const BODY_LIMIT = 32 * 1024 * 1024

interface Hook {
  readonly schema: TSchema
  /** Pure: the same request always gets the same answer. */
  readonly answer: (request: unknown, rendering: Rendering) => { readonly outcome: string; readonly response: object }
}

const customize = (relatedResources: (request: CustomizeRequest) => readonly object[]): Hook => ({
  schema: customizeRequest,
  answer: request => ({
    outcome: 'ok',
    response: { relatedResources: relatedResources(request as CustomizeRequest) },
  }),
})

const HOOKS: Readonly<Record<string, Hook>> = {
  '/decorator/sync': {
    schema: decoratorRequest,
    answer: (request, rendering) => syncDeployment(request as DecoratorRequest, rendering),
  },
  '/decorator/finalize': {
    schema: decoratorRequest,
    answer: request => finalizeDeployment(request as DecoratorRequest),
  },
  // Metacontroller would call it for every Deployment there is, so it is not declared; it is answered all the same.
  '/decorator/customize': customize(() => []),
  '/composite/sync': {
    schema: compositeRequest,
    answer: (request, rendering) => syncBalancer(request as CompositeRequest, rendering),
  },
  '/composite/finalize': {
    schema: compositeRequest,
    answer: (request, rendering) => finalizeBalancer(request as CompositeRequest, rendering),
  },
  '/composite/customize': customize(relatedRules),
}

/** The hooks as an HTTP server: one route for each, the answer of a pure function, and what it came to in metrics and logs. */
export async function buildApp(config: HooksConfig, { log, metrics }: Pick<Deps, 'log' | 'metrics'>): Promise<Service> {
  const requests = metrics.counter('hook_requests_total', 'Hook calls by hook and by what they came to.', {
    labelNames: ['hook', 'outcome'],
  })
  const durations = metrics.histogram('hook_duration_seconds', 'Time that a hook took, without reading the request.', {
    labelNames: ['hook'],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
  })
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    bodyLimit: BODY_LIMIT,
    // Objects of Kubernetes go through as they are.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  })
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    const outcome = status === 401 ? 'unauthorized' : status < 500 ? 'bad_request' : 'error'
    requests.inc({ hook: request.routeOptions.url ?? 'none', outcome })
    if (status >= 500) request.log.error({ err: error }, 'hook failed')
    if (status === 401) request.log.warn({ hook: request.url, remote: request.ip }, `refused: ${error.message}`)
    return reply.send(status === 400 ? serviceError('BAD_REQUEST', error.message) : error)
  })
  // Before the body is read, which may be large.
  app.addHook('onRequest', tokenCheck(config.TOKEN_FILE))
  for (const [path, { schema, answer }] of Object.entries(HOOKS)) {
    app.post(path, { schema: { body: schema } }, async (request, reply) => {
      const stop = durations.startTimer({ hook: path })
      const { outcome, response } = answer(request.body, config)
      stop()
      requests.inc({ hook: path, outcome })
      request.log.debug({ hook: path, outcome, object: subject(request.body) }, 'answered')
      // The text is made here, so that no schema can ever drop a field of it.
      return reply.type('application/json; charset=utf-8').send(JSON.stringify(response))
    })
  }
  await app.ready()
  return { app, notReady: () => undefined, drain: async () => {} }
}

/** The object that a request is about, for a log line. */
function subject(body: unknown): string {
  const { object, parent } = body as { object?: DecoratorRequest['object']; parent?: CompositeRequest['parent'] }
  const { kind = '', metadata } = object ?? parent ?? {}
  return `${kind} ${metadata?.namespace}/${metadata?.name}`
}
