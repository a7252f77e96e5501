import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { Bridge, type BridgeEnd, type BridgeOptions, type Extras } from '../bridge/bridge.ts'
import { MemoryGuard } from '../bridge/memory-guard.ts'
import { closeUpstream } from '../bridge/socket/closing.ts'
import { type Answered, type Dialling, dial } from '../bridge/socket/dial.ts'
import { lend } from '../bridge/socket/read-buffer.ts'
import { ClientConnections } from '../service/http/client-connections.ts'
import { serviceError } from '../service/http/errors.ts'
import { FailureLog, type ServiceError } from '../service/log/failure-log.ts'
import type { Logger } from '../service/log/log.ts'
import { MemoryBudget } from '../service/memory/budget.ts'
import { memoryReader } from '../service/memory/cgroup.ts'
import { memoryMetrics } from '../service/memory/metrics.ts'
import type { Metrics } from '../service/metrics.ts'
import { ERROR_HEADER } from '../service/names.ts'
import { SharedByteAllowance } from '../websocket/byte-allowance.ts'
import { CLOSE } from '../websocket/close-codes.ts'
import { fieldOf, type ResponseHead } from '../websocket/response-head.ts'
import { answerOf, sayAndEnd } from './error-response.ts'
import { type Fields, handshakeProblem, hasTwoHosts, isAccepted, repeatAnswer, repeatHandshake } from './handshake.ts'
import { InFlight } from './in-flight.ts'
import { PlainRequests } from './plain/plain-requests.ts'
import { proxyMetrics } from './proxy-metrics.ts'
import { connectionLimit, dialLimitsOf, memoryBudget, plainLimits, type WireConfig } from './proxy-settings.ts'
import { passRefusal } from './refusal.ts'
import { createServer } from './server.ts'
import { topologyOf } from './topology.ts'

/** Where one handshake goes, decided before anything is dialled. */
export interface Plan<C> {
  readonly host: string
  readonly port: number
  /** Lower-case names of request fields that must not reach the upstream as the client sent them. */
  readonly drop: ReadonlySet<string>
  /** Request fields that this hop sets. */
  readonly set: Fields
  /** Response fields that this hop sets, on success and on refusal. */
  readonly answer: Fields
  /** What `opened` and `closed` need to know. */
  readonly context: C
  readonly extras?: Extras
}

/** What opened a connection: another upstream gets the same, and has to answer the same. */
export interface Opening {
  /** The handshake, as the upstream got it. */
  readonly handshake: Buffer
  readonly answer: ResponseHead
}

export interface ProxyOptions<C>
  extends Pick<BridgeOptions<C>, 'find' | 'holdFor' | 'takes' | 'onAddressed' | 'onUnparsed' | 'onControl' | 'onLost'> {
  readonly log: Logger
  readonly metrics: Metrics
  readonly config: WireConfig
  /** Response fields that name this program. */
  readonly identity: Fields
  /** What all that the program holds may take; by default what its configuration says. */
  readonly memory?: MemoryBudget
  /** Processes that share the memory of the container. */
  readonly processes?: number
  /** Whether a message of the upstream passes only whole, within limits: one that is cut off then leaves no part of it with the client. */
  readonly wholeMessages?: boolean
  /** Whether a plain request is for routes of the program itself, not for an upstream. */
  readonly isOwn?: (request: IncomingMessage) => boolean
  /** Whether a handshake is for a listener of the program itself, not for an upstream. */
  readonly claims?: (request: IncomingMessage) => boolean
  /**
   * Decides where a handshake goes.
   *
   * @param path path and query as the client sent them
   * @throws an error of the error table, which the client gets as its answer
   */
  plan(request: IncomingMessage, path: string): Plan<C>
  /**
   * Another place for a handshake whose upstream did not take it, or `undefined`: then the client gets the answer that there is.
   *
   * @param code of the error table
   */
  passOver?(plan: Plan<C>, code: string): Plan<C> | undefined
  /**
   * Looks at an upstream's acceptance before the client gets it.
   *
   * @returns the plan, with what the upstream has said
   * @throws an error of the error table, which the client gets as its answer
   */
  confirm?(plan: Plan<C>, head: ResponseHead): Plan<C>
  opened?(bridge: Bridge<C>, opening: Opening): void
  closed?(bridge: Bridge<C>, end: BridgeEnd): void
}

/** The running proxy of a program. */
export interface Proxy<C> {
  /** The server; it does not listen yet. */
  readonly app: FastifyInstance
  readonly bridges: ReadonlySet<Bridge<C>>
  /** Takes no more handshakes from now on; plain requests pass. */
  refuse(): void
  /**
   * Takes no more handshakes, closes every client with 1012, and waits for the answers to plain requests, each the last on its
   * connection; then nothing new is taken. What is left at `deadline` (ms since the epoch) is ended.
   */
  drain(deadline: number): Promise<void>
}

/** An upstream that has answered, and where it is. */
interface Reached<C> {
  readonly plan: Plan<C>
  readonly answered: Answered
}

const RESTART_REASON = 'service restart'

const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'header_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'handshake_timeout',
}

/** Errors of a connection, not of what came on it: probes and clients that are done reset theirs, too. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/** What a connection takes that does nothing: both its sockets, in the kernel too. */
const CONNECTION_BYTES = 20_480

/** Part of the memory for messages of upstreams that have not come to their end. */
const PARTIAL_SHARE = 1 / 8

/** The settings of what a sweep looks at are in seconds. */
const SWEEP_INTERVAL_MS = 1000

/**
 * Makes the server that proxies every WebSocket handshake, on any path: it dials the upstream first and accepts the client only
 * when the upstream has accepted, with the upstream's own answer; a refusal reaches the client as it was. Plain requests go the
 * same way, or are told to upgrade. Fastify serves what is the program's own.
 */
export function createProxy<C>(options: ProxyOptions<C>): Proxy<C> {
  const { log, config, metrics } = options
  const memory = options.memory ?? new MemoryBudget(memoryBudget(config, options.processes))
  memoryMetrics(metrics, memory)
  const dialLimits = dialLimitsOf(config)
  const maxConnections = connectionLimit(config)
  const clock = { now: 0 }
  const topology = topologyOf(config, options.identity)
  const sinks = { failures: new FailureLog(log), topology }
  const bridges = new Set<Bridge<C>>()
  const dialling = new Set<Dialling>()
  /** Clients whose handshake is not accepted, or not yet. */
  const outside = new Set<Socket>()
  const handshakeBytes = new WeakMap<Socket, number>()
  // One for all of them: a function made for each would keep the request of its handshake for as long as the connection lasts.
  const leave = function (this: Socket): void {
    outside.delete(this)
  }
  let draining = false

  const limits = plainLimits(config)
  const connections = new ClientConnections(
    { soft: limits.connections, hard: () => limits.all - bridges.size },
    reason => counters.shed(reason),
  )
  const counters = proxyMetrics(metrics, bridges, () => connections.size)
  const inFlight = new InFlight(memory.accounts.connections)
  const plain = new PlainRequests<Plan<C>>({
    config,
    isOwn: request => options.isOwn?.(request) ?? false,
    plan: (request, path) => options.plan(request, path),
    maxRequests: limits.requests,
    requests: () => connections.busy,
    sinks,
    counters,
  })
  const passPlain = (request: IncomingMessage, response: ServerResponse): boolean => {
    inFlight.add(response)
    return plain.take(request, response)
  }
  const app = createServer(config, passPlain, connections)

  const upgrade = async (request: IncomingMessage, client: Socket, head: Buffer): Promise<void> => {
    if (draining) throw serviceError('DRAINING')
    if (bridges.size + dialling.size >= maxConnections) throw serviceError('FULL', maxConnections)
    if (hasTwoHosts(request)) throw serviceError('BAD_HOST')
    if (memory.isFull) throw serviceError('NO_MEMORY')
    const problem = handshakeProblem(request)
    if (problem) {
      counters.refused('bad_handshake')
      connections.refused(client)
      sayAndEnd(client, problem.status, `${problem.message}\n`, { 'Content-Type': 'text/plain', ...problem.headers })
      return
    }
    const path = request.url ?? '/'
    const first = options.plan(request, path)
    const handshake = repeatHandshake(request, path, first.drop, first.set)
    const { plan, answered } = await reach(first, handshake, client)
    if (!isAccepted(answered.head)) {
      counters.refused('upstream')
      connections.refused(client)
      const answer = repeatAnswer(answered.head, plan.answer, topology.hidden)
      passRefusal(client, answered, answer, config.HANDSHAKE_TIMEOUT_MS)
      return
    }
    const confirmed = confirm(plan, answered)
    counters.accepted()
    client.off('error', ignore)
    join(client, head, answered, confirmed, handshake)
  }

  const confirm = (plan: Plan<C>, { head, socket }: Answered): Plan<C> => {
    try {
      return options.confirm?.(plan, head) ?? plan
    } catch (error) {
      closeUpstream(socket)
      throw error
    }
  }

  /** Dials until an upstream answers that is not passed over. */
  const reach = async (first: Plan<C>, handshake: Buffer, client: Socket): Promise<Reached<C>> => {
    for (let plan = first; ; ) {
      const attempt = dial(plan.host, plan.port, handshake, dialLimits)
      const leave = () => attempt.abort(serviceError('CLIENT_GONE'))
      client.on('close', leave)
      dialling.add(attempt)
      let next: Plan<C> | undefined
      try {
        const answered = await attempt.answered
        const refusal = isAccepted(answered.head) ? undefined : fieldOf(answered.head, ERROR_HEADER)
        if (refusal !== undefined) next = options.passOver?.(plan, refusal)
        if (!next) return { plan, answered }
        answered.socket.destroy()
      } catch (error) {
        if (!client.destroyed && !draining) next = options.passOver?.(plan, (error as ServiceError).code ?? '')
        if (!next) throw error
      } finally {
        dialling.delete(attempt)
        client.off('close', leave)
      }
      plan = next
    }
  }

  const guard = new MemoryGuard({
    budget: memory,
    maxQueueBytes: config.MAX_QUEUE_BYTES,
    connections: () => bridges,
    processes: options.processes ?? 1,
    read: memoryReader(),
    log,
  })
  const bridgeOptions: BridgeOptions<C> = {
    maxQueueBytes: config.MAX_QUEUE_BYTES,
    memory: guard,
    maxMessageBytes: config.MAX_PAYLOAD_BYTES,
    clock,
    pingAfter: { client: config.CLIENT_PING_SECONDS, upstream: config.UPSTREAM_PING_SECONDS },
    idleAfter: { client: config.CLIENT_IDLE_SECONDS, upstream: config.UPSTREAM_IDLE_SECONDS },
    slowAfter: config.SLOW_CONSUMER_SECONDS,
    ...(options.find && { find: options.find }),
    ...(options.holdFor && { holdFor: options.holdFor }),
    ...(options.onUnparsed && { onUnparsed: options.onUnparsed.bind(options) }),
    ...(options.takes && { takes: options.takes.bind(options) }),
    ...(options.onAddressed && { onAddressed: options.onAddressed.bind(options) }),
    ...(options.onControl && { onControl: options.onControl.bind(options) }),
    ...(options.onLost && { onLost: options.onLost.bind(options) }),
    ...(options.wholeMessages && {
      whole: {
        outbound: {
          maxBytes: config.MAX_QUEUE_BYTES,
          room: new SharedByteAllowance(memory.bytes * PARTIAL_SHARE, memory.accounts.held),
        },
      },
    }),
    onClosed(bridge, end) {
      bridges.delete(bridge)
      counters.ended(end.cause)
      options.closed?.(bridge, end)
    },
  }
  const join = (client: Socket, head: Buffer, answered: Answered, plan: Plan<C>, handshake: Buffer) => {
    const read = lend(client)
    const early = { client: read ? Buffer.concat([head, read]) : head, upstream: answered.rest }
    const answer = repeatAnswer(answered.head, plan.answer, topology.hidden)
    const bridge = new Bridge(client, answered.socket, early, answer, bridgeOptions, plan.context, plan.extras)
    bridges.add(bridge)
    connections.forget(client)
    outside.delete(client)
    // Kept for as long as the connection lasts: the next upstream gets the same.
    if (!client.closed) {
      handshakeBytes.set(client, handshake.length)
      memory.accounts.connections.change(handshake.length)
    }
    client.off('close', leave)
    options.opened?.(bridge, { handshake, answer: answered.head })
    bridge.start()
  }

  // One timer for all connections, whatever limits they have.
  const sweeping = setInterval(() => {
    clock.now++
    for (const bridge of bridges) bridge.sweep()
  }, SWEEP_INTERVAL_MS)
  // A server waits for each of its connections, however long a client that was refused keeps its own open.
  app.addHook('preClose', async () => {
    for (const client of outside) client.destroy()
  })
  app.addHook('onClose', async () => {
    clearInterval(sweeping)
    guard.stop()
    plain.close()
  })

  app.server.on('connection', (socket: Socket) => {
    // The handshake may never end, and costs as much as a connection.
    if (memory.isFull) {
      counters.refused('no_memory')
      socket.destroy()
      return
    }
    memory.accounts.connections.change(CONNECTION_BYTES)
    socket.once('close', freeConnection)
  })
  const freeConnection = function (this: Socket): void {
    memory.accounts.connections.change(-CONNECTION_BYTES - (handshakeBytes.get(this) ?? 0))
  }
  // Fastify answers these; they are counted here with the other handshakes that came to nothing.
  app.server.on('clientError', ({ code = '' }: Error & { code?: string }) => {
    if (!GONE.has(code)) counters.refused(CLIENT_ERRORS[code] ?? 'bad_request')
  })
  app.server.on('upgrade', (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    const client = stream as Socket
    // Older than Node 24.9: the server could not choose (server.ts).
    if (connections.requests(client) > 0) {
      client.destroy()
      return
    }
    connections.upgraded(client)
    if (options.claims?.(request)) return
    // Node takes its own listener away before this event; without one, a reset would end the process.
    client.on('error', ignore)
    outside.add(client)
    client.on('close', leave)
    client.setNoDelay(true)
    client.setTimeout(0)
    upgrade(request, client, head).catch((error: ServiceError) => {
      const { code, status, body, fields } = answerOf(error, request.url ?? '/', sinks)
      counters.refused(code.replace(/^WSO_ERR_/, '').toLowerCase())
      connections.refused(client)
      sayAndEnd(client, status, body, fields)
    })
  })
  app.setErrorHandler((error: ServiceError, request, reply) => {
    const { status, body, fields } = answerOf(error, request.url, sinks)
    return reply.code(status).headers(fields).send(body)
  })
  app.setNotFoundHandler(() => {
    throw serviceError('UPGRADE_REQUIRED')
  })

  const refuse = () => {
    draining = true
    inFlight.endConnections()
    for (const attempt of dialling) attempt.abort(serviceError('DRAINING'))
  }
  return {
    app,
    bridges,
    refuse,
    async drain(deadline) {
      refuse()
      for (const bridge of bridges) bridge.close('shutdown', CLOSE.SERVICE_RESTART, RESTART_REASON)
      const late = Promise.withResolvers<void>()
      const timer = setTimeout(
        () => {
          log.warn({ connections: bridges.size, requests: inFlight.size }, 'clients that have not ended are cut off')
          for (const bridge of bridges) bridge.terminate()
          late.resolve()
        },
        Math.max(0, deadline - Date.now()),
      )
      await Promise.all(Array.from(bridges, bridge => bridge.closed))
      // Who comes again and again must not hold this up: nobody new from here on, and idle connections end.
      app.server.close()
      await Promise.race([inFlight.ended(), late.promise])
      clearTimeout(timer)
    },
  }
}

function ignore(): void {}
