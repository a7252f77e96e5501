import type { IncomingMessage } from 'node:http'
import websocket from '@fastify/websocket'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { WebSocket } from 'ws'
import { type ErrorName, serviceError } from '../service/errors.ts'
import type { Logger } from '../service/log.ts'
import type { Metrics } from '../service/metrics.ts'
import { Bridge, type BridgeEnd, type BridgeOptions } from './bridge.ts'
import { CLOSE } from './close-codes.ts'
import { type DialLimits, dial, type Opened, type Refused } from './dial.ts'
import { endToEndFields, type HeaderFields, handshakeProblem, offeredProtocols } from './handshake.ts'

/** Where one handshake goes, decided before anything is dialled. */
export interface Plan<C> {
  readonly host: string
  readonly port: number
  /** Lower-case names of request fields that must not reach the upstream as the client sent them. */
  readonly drop: readonly string[]
  /** Request fields that this hop sets. */
  readonly set: HeaderFields
  /** Response fields that this hop sets, on success and on refusal. */
  readonly answer: Readonly<Record<string, string>>
  /** What `opened` and `closed` need to know. */
  readonly context: C
}

export interface ProxyOptions<C> {
  readonly log: Logger
  readonly metrics: Metrics
  readonly limits: DialLimits & Pick<BridgeOptions, 'maxQueueBytes'>
  /**
   * Decides where a handshake goes.
   *
   * @param path path and query as the client sent them
   * @throws an error of the error table, which the client gets as its answer
   */
  plan(request: IncomingMessage, path: string): Plan<C>
  readonly intercept?: BridgeOptions['intercept']
  opened?(bridge: Bridge, context: C): void
  closed?(bridge: Bridge, context: C, end: BridgeEnd): void
}

/** The running proxy of a program. */
export interface Proxy {
  readonly connections: number
  /** Takes no more handshakes, closes every client with 1012, and ends what is left at `deadline` (ms since the epoch). */
  drain(deadline: number): Promise<void>
}

interface Accepted<C> {
  readonly opened: Opened
  readonly plan: Plan<C>
  readonly disarm: () => void
}

/**
 * Makes a Fastify server proxy every WebSocket handshake, on any path: it dials the upstream first and accepts the client only
 * when the upstream has accepted, with the same sub-protocol and headers; a refusal reaches the client as the status it was.
 */
export async function registerProxy<C>(app: FastifyInstance, options: ProxyOptions<C>): Promise<Proxy> {
  const { log, limits, metrics } = options
  const bridges = new Set<Bridge>()
  const dialling = new Set<AbortController>()
  const accepted = new WeakMap<IncomingMessage, Accepted<C>>()
  let draining = false

  metrics.gauge('connections', 'Open client connections.', {
    collect() {
      this.set(bridges.size)
    },
  })
  metrics.gauge('queue_bytes', 'Bytes that wait to be written to slow readers.', {
    labelNames: ['side'],
    collect() {
      for (const side of ['client', 'upstream'] as const) {
        let bytes = 0
        for (const bridge of bridges) bytes += bridge.queuedBytes(side)
        this.set({ side }, bytes)
      }
    },
  })
  const upgrades = metrics.counter('upgrades_total', 'WebSocket handshakes by result.', { labelNames: ['result'] })
  const rejected = metrics.counter('rejected_total', 'Handshakes that were not accepted, by reason.', {
    labelNames: ['reason'],
  })
  const refuse = (reason: string) => {
    upgrades.inc({ result: 'refused' })
    rejected.inc({ reason })
  }

  await app.register(websocket, {
    options: {
      maxPayload: limits.maxPayloadBytes,
      perMessageDeflate: false,
      autoPong: false,
      clientTracking: false,
      handleProtocols: (_offered: Set<string>, request: IncomingMessage) =>
        accepted.get(request)?.opened.protocol || false,
    },
    errorHandler: (error, socket) => {
      log.debug({ err: error }, 'client connection')
      if (error.message === 'no bridge') socket.terminate()
    },
    // The connections are closed by `drain`, with a code; there is nothing left to do here.
    preClose: done => done(),
  })
  app.websocketServer.on('headers', (lines: string[], request: IncomingMessage) => {
    const entry = accepted.get(request)
    if (entry) for (const line of fieldLines(answerFields(entry.opened.headers, entry.plan.answer))) lines.push(line)
  })

  const dialFirst = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    if (!request.ws) throw serviceError('UPGRADE_REQUIRED')
    if (draining) throw serviceError('DRAINING')
    const { raw } = request
    const problem = handshakeProblem(raw)
    if (problem) {
      refuse('bad_handshake')
      return reply
        .code(problem.status)
        .headers(problem.headers ?? {})
        .send(`${problem.message}\n`)
    }
    const path = request.originalUrl
    const plan = options.plan(raw, path)
    const attempt = new AbortController()
    const abort = () => attempt.abort(serviceError('CLIENT_GONE'))
    raw.socket.once('close', abort)
    dialling.add(attempt)
    const result = await dial(
      {
        host: plan.host,
        port: plan.port,
        path,
        protocols: offeredProtocols(raw.headers['sec-websocket-protocol']) ?? [],
        headers: { ...endToEndFields(raw, plan.drop), ...plan.set },
      },
      limits,
      attempt.signal,
    ).finally(() => dialling.delete(attempt))
    if (result.kind === 'refused') {
      refuse('upstream')
      return answerRefusal(reply, result, plan)
    }
    // Until the client is accepted, its leaving must end the upstream connection too.
    const terminate = () => result.socket.terminate()
    raw.socket.once('close', terminate)
    if (raw.socket.destroyed) terminate()
    accepted.set(raw, {
      opened: result,
      plan,
      disarm: () => {
        raw.socket.off('close', abort)
        raw.socket.off('close', terminate)
      },
    })
    return undefined
  }

  const join = (socket: WebSocket, request: FastifyRequest) => {
    const entry = accepted.get(request.raw)
    if (!entry) throw new Error('no bridge')
    const { opened, plan, disarm } = entry
    disarm()
    upgrades.inc({ result: 'accepted' })
    const bridge: Bridge = new Bridge(socket, opened.socket, {
      maxQueueBytes: limits.maxQueueBytes,
      ...(options.intercept && { intercept: options.intercept }),
      onClosed: (_bridge, end) => {
        bridges.delete(bridge)
        options.closed?.(bridge, plan.context, end)
      },
    })
    bridges.add(bridge)
    options.opened?.(bridge, plan.context)
  }

  app.setErrorHandler((error: Error & { code?: string; statusCode?: number }, request, reply) => {
    const status = error.statusCode ?? 500
    if (request.ws) refuse(error.code?.replace(/^WSO_ERR_/, '').toLowerCase() ?? 'error')
    if (status >= 500) log.warn({ err: error, url: pathOnly(request.originalUrl) }, 'request failed')
    return reply.code(status).send({ error: error.code ?? 'WSO_ERR_INTERNAL', message: error.message })
  })
  const refusePlain = async () => {
    throw serviceError('UPGRADE_REQUIRED' satisfies ErrorName)
  }
  app.setNotFoundHandler({ preHandler: refusePlain }, refusePlain)
  app.route({ method: 'GET', url: UPGRADE_ROUTE, preHandler: dialFirst, handler: refusePlain, wsHandler: join })

  return {
    get connections() {
      return bridges.size
    },
    async drain(deadline) {
      draining = true
      for (const attempt of dialling) attempt.abort(serviceError('DRAINING'))
      // Whoever is between its upstream's answer and its own gets accepted in this turn of the event loop.
      await new Promise(setImmediate)
      const all = [...bridges]
      for (const bridge of all) bridge.close(CLOSE.SERVICE_RESTART, RESTART_REASON)
      const timer = setTimeout(
        () => {
          log.warn({ connections: bridges.size }, 'clients that did not answer the close are cut off')
          for (const bridge of bridges) bridge.terminate()
        },
        Math.max(0, deadline - Date.now()),
      )
      await Promise.all(all.map(bridge => bridge.closed))
      clearTimeout(timer)
    },
  }
}

const RESTART_REASON = 'service restart'

/** Every handshake is routed here, so that no path of an app can be misread by our router. */
export const UPGRADE_ROUTE = '/'

/** Fastify option: handshakes of any path come to {@link UPGRADE_ROUTE}; the path itself stays in `originalUrl`. */
export function rewriteUpgrade(request: { headers: IncomingMessage['headers']; url?: string | undefined }): string {
  return request.headers.upgrade === undefined ? (request.url ?? '/') : UPGRADE_ROUTE
}

function answerRefusal<C>(reply: FastifyReply, { status, headers, body }: Refused, plan: Plan<C>): FastifyReply {
  const fields = answerFields(headers, plan.answer)
  // The body may have been cut or re-framed; Fastify counts it again.
  for (const name of Object.keys(fields)) if (name.toLowerCase() === 'content-length') delete fields[name]
  return reply.code(status).headers(fields).send(body)
}

function answerFields(upstream: HeaderFields, answer: Readonly<Record<string, string>>): HeaderFields {
  const ours = new Set(Object.keys(answer).map(name => name.toLowerCase()))
  return {
    ...Object.fromEntries(Object.entries(upstream).filter(([name]) => !ours.has(name.toLowerCase()))),
    ...answer,
  }
}

function* fieldLines(fields: HeaderFields): Generator<string> {
  for (const [name, values] of Object.entries(fields)) for (const value of [values].flat()) yield `${name}: ${value}`
}

/** A query may carry a token, so it never reaches a log. */
function pathOnly(url: string): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}
