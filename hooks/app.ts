import type { IncomingMessage } from 'node:http'
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify'
import type { TSchema } from 'typebox'
import { serviceError } from '../lib/service/http/errors.ts'
import { tokenCheck } from '../lib/service/http/token.ts'
import { FailureLog, pathOnly } from '../lib/service/log/failure-log.ts'
import type { Deps, Service } from '../lib/service/program.ts'
import { finalizeBalancer, syncBalancer } from './composite/composite.ts'
import { relatedRules } from './composite/status/related.ts'
import type { HooksConfig, Rendering } from './config.ts'
import { finalizeDeployment, syncDeployment } from './decorator/decorator.ts'
import { ByteBudget } from './requests/byte-budget.ts'
import { checkLength, readBody } from './requests/read-body.ts'
import {
  type CompositeRequest,
  type CustomizeRequest,
  compositeRequest,
  customizeRequest,
  type DecoratorRequest,
  decoratorRequest,
} from './requests/schemas.ts'

/** Memory budget for all requests and answers together, as a multiple of the largest request. */
const BUDGET_FACTOR = 4

/** Longest time for one request to arrive, in milliseconds: Metacontroller waits 10 s for its answer. */
const REQUEST_TIMEOUT_MS = 15_000

/** Connections at the same time; Metacontroller has some 20 workers and keeps a connection for each. */
const MAX_CONNECTIONS = 500

interface Hook {
  readonly schema: TSchema
  /** Pure: the same request always gets the same answer. */
  readonly answer: (request: unknown, rendering: Rendering) => { readonly outcome: string; readonly response: object }
}

const HOOKS: Readonly<Record<string, Hook>> = {
  '/decorator/sync': {
    schema: decoratorRequest,
    answer: (request, rendering) => syncDeployment(request as DecoratorRequest, rendering),
  },
  '/decorator/finalize': {
    schema: decoratorRequest,
    answer: request => finalizeDeployment(request as DecoratorRequest),
  },
  '/composite/sync': {
    schema: compositeRequest,
    answer: (request, rendering) => syncBalancer(request as CompositeRequest, rendering),
  },
  '/composite/finalize': {
    schema: compositeRequest,
    answer: (request, rendering) => finalizeBalancer(request as CompositeRequest, rendering),
  },
  '/composite/customize': {
    schema: customizeRequest,
    answer: request => ({
      outcome: 'ok',
      response: { relatedResources: relatedRules(request as CustomizeRequest) },
    }),
  },
}

/** The hooks as an HTTP server: a route for each, answered by a pure function, with its outcome in metrics and logs. */
export async function buildApp(config: HooksConfig, { log, metrics }: Pick<Deps, 'log' | 'metrics'>): Promise<Service> {
  const requests = metrics.counter('hook_requests_total', 'Hook calls, by hook and outcome.', {
    labelNames: ['hook', 'outcome'],
  })
  const durations = metrics.histogram(
    'hook_duration_seconds',
    'Duration of a hook call, without reading the request.',
    {
      labelNames: ['hook'],
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25],
    },
  )
  const app = fastify({
    loggerInstance: log as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
    forceCloseConnections: 'idle',
    requestTimeout: REQUEST_TIMEOUT_MS,
    http: { headersTimeout: REQUEST_TIMEOUT_MS },
    // Validation must not change Kubernetes objects.
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  })
  app.server.maxConnections = MAX_CONNECTIONS
  const refusals = new FailureLog(log, 'hook refused')
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const status = error.statusCode ?? 500
    requests.inc({ hook: request.routeOptions.url ?? 'none', outcome: outcomeOf(status) })
    if (status >= 500) request.log.error({ err: error }, 'hook failed')
    if (LOGGED.has(status)) refusals.add(error, { path: pathOnly(request.url), remote: request.ip })
    // The body is not read.
    if (status === 411 || status === 413) reply.header('connection', 'close')
    if (status === 429) reply.header('retry-after', '1')
    return reply.send(
      status === 400 && !error.code?.startsWith('WSO_') ? serviceError('BAD_REQUEST', error.message) : error,
    )
  })
  // Checked before the body is read, which may be large.
  app.addHook('onRequest', tokenCheck(config.TOKEN_FILE))
  app.addHook('onRequest', async ({ headers, method }) => {
    if (method === 'POST') checkLength(headers, config.MAX_BODY_BYTES)
  })
  const budget = new ByteBudget(BUDGET_FACTOR * config.MAX_BODY_BYTES)
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', async (request: FastifyRequest, body: IncomingMessage) => {
    const text = await readBody(body, budget)
    return new Promise((resolve, reject) =>
      parse(request, text, (error, value) => (error ? reject(error) : resolve(value))),
    )
  })
  for (const [path, { schema, answer }] of Object.entries(HOOKS)) {
    app.post(path, { schema: { body: schema } }, async (request, reply) => {
      const stop = durations.startTimer({ hook: path })
      const { outcome, response } = answer(request.body, config)
      stop()
      requests.inc({ hook: path, outcome })
      request.log.debug({ hook: path, outcome, object: subject(request.body) }, 'answered')
      // Serialized here, because a response schema could drop fields.
      const text = JSON.stringify(response)
      countAnswer(budget, reply, text)
      return reply.type('application/json; charset=utf-8').send(text)
    })
  }
  await app.ready()
  return { app, notReady: () => undefined, drain: async () => {} }
}

/** Statuses that are logged, so that operators find out why a caller is refused. */
const LOGGED: ReadonlySet<number> = new Set([401, 411, 413, 429])

const OUTCOMES: Readonly<Record<number, string>> = {
  401: 'unauthorized',
  411: 'too_large',
  413: 'too_large',
  429: 'busy',
}

const outcomeOf = (status: number): string => OUTCOMES[status] ?? (status < 500 ? 'bad_request' : 'error')

/** Counts an answer until the caller has read it; a slow caller is cut off when others need the bytes. */
function countAnswer(budget: ByteBudget, { raw }: FastifyReply, text: string): void {
  const share = budget.begin(() => raw.destroy())
  raw.once('close', share.end)
  share.add(Buffer.byteLength(text))
}

/** The object of a request, for a log line. */
function subject(body: unknown): string {
  const { object, parent } = body as { object?: DecoratorRequest['object']; parent?: CompositeRequest['parent'] }
  const { kind = '', metadata } = object ?? parent ?? {}
  return `${kind} ${metadata?.namespace}/${metadata?.name}`
}
