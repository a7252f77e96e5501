import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import type { Bridge } from '../bridge/bridge.ts'
import { SocketReads } from '../bridge/socket/socket-reads.ts'
import { ClientConnections } from '../service/http/client-connections.ts'
import { serviceError } from '../service/http/errors.ts'
import { FailureLog, type ServiceError } from '../service/log/failure-log.ts'
import type { Logger } from '../service/log/log.ts'
import { MemoryBudget } from '../service/memory/budget.ts'
import { memoryMetrics } from '../service/memory/metrics.ts'
import { answerOf, type ErrorSinks } from './error-response.ts'
import { InFlight } from './in-flight.ts'
import { ClientWithoutBridge } from './plain/client-without-bridge.ts'
import { PlainRequests } from './plain/plain-requests.ts'
import type { Plan } from './plan.ts'
import { type ProxyMetrics, proxyMetrics } from './proxy-metrics.ts'
import type { ProxyOptions } from './proxy-options.ts'
import { memoryBudget, plainLimits } from './proxy-settings.ts'
import type { ServerFront } from './server.ts'
import { topologyOf } from './topology.ts'
import { ConnectionMemory } from './upgrade/connection-memory.ts'
import { OpenBridges } from './upgrade/open-bridges.ts'
import { PendingClients } from './upgrade/pending-clients.ts'
import { UpgradeHandler } from './upgrade/upgrade-handler.ts'

const CLIENT_ERRORS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'header_too_large',
  ERR_HTTP_REQUEST_TIMEOUT: 'handshake_timeout',
}

/** Socket errors that are not the client's fault: probes and departing clients also reset their connections. */
const GONE: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE', 'ETIMEDOUT'])

/**
 * Fastify's mark for a plugin whose hooks and error handler apply to the whole server instead of a scope of their own.
 */
const WHOLE_SERVER = { [Symbol.for('skip-override')]: true }

/**
 * The HTTP side of a program: WebSocket handshakes on any path go to upstreams; plain requests do the same or are told
 * to upgrade. Fastify serves the program's own routes. Make the server with `createServer(config, log, proxy)`, then
 * register {@link plugin}.
 */
export class WebSocketProxy<C> implements ServerFront {
  readonly #log: Logger
  readonly #memory: MemoryBudget
  readonly #connectionMemory: ConnectionMemory
  readonly #connections: ClientConnections
  readonly #counters: ProxyMetrics
  readonly #sinks: ErrorSinks
  readonly #bridges: OpenBridges<C>
  /** Plain requests, and responses that are not yet complete. */
  readonly #plain: PlainRequests<Plan<C>>
  readonly #inFlight: InFlight
  readonly #pending = new PendingClients()
  readonly #upgrades: UpgradeHandler<C>
  #server: Server | undefined

  /** The Fastify plugin of this proxy; must be registered once, before the server listens. */
  readonly plugin: FastifyPluginAsync = Object.assign(async (app: FastifyInstance) => this.#attach(app), WHOLE_SERVER)

  constructor(options: ProxyOptions<C>) {
    const { log, config, metrics, memory = new MemoryBudget(memoryBudget(config, options.processes)) } = options
    this.#log = log
    this.#memory = memory
    memoryMetrics(metrics, memory)
    this.#connectionMemory = new ConnectionMemory(memory.accounts.connections)
    this.#inFlight = new InFlight(memory.accounts.connections)
    this.#sinks = { failures: new FailureLog(log), topology: topologyOf(config, options.identity) }
    const reads = new SocketReads(memory.bytes)
    this.#bridges = new OpenBridges({
      hooks: options,
      config,
      log,
      memory,
      processes: options.processes ?? 1,
      wholeMessages: options.wholeMessages ?? false,
      reads,
      others: () => this.#withoutBridge(),
      onClosed: (bridge, end) => {
        this.#counters.ended(end.cause)
        options.closed?.(bridge, end)
      },
    })
    const limits = plainLimits(config)
    this.#connections = new ClientConnections(
      {
        soft: limits.connections,
        hard: () => limits.all - this.bridges.size,
        requests: limits.requests,
      },
      reason => this.#counters.shed(reason),
    )
    this.#counters = proxyMetrics(metrics, this.bridges, () => this.#connections.size)
    this.#plain = new PlainRequests<Plan<C>>({
      config,
      isOwn: request => options.isOwn?.(request) ?? false,
      plan: (request, path) => options.plan(request, path),
      maxRequests: limits.requests,
      requests: () => this.#connections.busy,
      memory: this.#bridges.memory,
      budgetBytes: memory.bytes,
      sinks: this.#sinks,
      counters: this.#counters,
    })
    this.#upgrades = new UpgradeHandler({
      config,
      hooks: options,
      bridges: this.#bridges,
      connections: this.#connections,
      pending: this.#pending,
      memory,
      connectionMemory: this.#connectionMemory,
      reads,
      sinks: this.#sinks,
      counters: this.#counters,
    })
  }

  get bridges(): ReadonlySet<Bridge<C>> {
    return this.#bridges.all
  }

  takeRequest(request: IncomingMessage, response: ServerResponse): boolean {
    // Its connection was closed for the requests before it.
    if (request.socket.destroyed) return true
    this.#inFlight.add(response)
    return this.#plain.take(request, response)
  }

  mayUpgrade({ socket }: IncomingMessage): boolean {
    return this.#connections.requests(socket) === 0
  }

  /** Refuses handshakes from now on; plain requests still pass. */
  refuse(): void {
    this.#inFlight.endConnections()
    this.#upgrades.refuse()
  }

  /**
   * Refuses handshakes, closes every client with 1012 and waits for the answers to plain requests, each the last on its
   * connection; then the server stops accepting. Connections left at `deadline` (ms since the epoch) are terminated.
   */
  async drain(deadline: number): Promise<void> {
    this.refuse()
    this.#bridges.closeAll()
    const late = Promise.withResolvers<void>()
    const cutOff = () => {
      const connections = this.bridges.size
      const requests = this.#inFlight.size
      this.#log.warn({ connections, requests }, 'clients that have not ended are cut off')
      this.#bridges.terminateAll()
      late.resolve()
    }
    const timer = setTimeout(cutOff, Math.max(0, deadline - Date.now()))
    await this.#bridges.closed()
    // From now on the server accepts no connections and closes idle ones, so that returning clients cannot delay the
    // shutdown.
    this.#server?.close()
    await Promise.race([this.#inFlight.ended(), late.promise])
    clearTimeout(timer)
  }

  #attach(app: FastifyInstance): void {
    const { server } = app
    this.#server = server
    this.#connections.attach(server)
    server.on('connection', (client: Socket) => this.#accepted(client))
    // Fastify answers these errors; we count them with the other failed handshakes.
    server.on('clientError', ({ code = '' }: Error & { code?: string }) => {
      if (!GONE.has(code)) this.#counters.refused(CLIENT_ERRORS[code] ?? 'bad_request')
    })
    // Upgrades bypass Fastify, because measurements showed that a route costs more per connection. Fastify would also
    // parse the app's paths, so plain requests are taken before Fastify as well (server.ts).
    server.on('upgrade', (request: IncomingMessage, client: Duplex, head: Buffer) =>
      this.#upgrades.handle(request, client as Socket, head),
    )
    app.addHook('preClose', async () => this.#pending.destroyAll())
    app.addHook('onClose', async () => {
      this.#bridges.stop()
      this.#plain.close()
    })
    app.setErrorHandler((error: ServiceError, request, reply) => {
      const { status, body, fields } = answerOf(error, request.url, this.#sinks)
      return reply.code(status).headers(fields).send(body)
    })
    app.setNotFoundHandler(() => {
      throw serviceError('UPGRADE_REQUIRED')
    })
  }

  *#withoutBridge(): Generator<ClientWithoutBridge> {
    // A refused handshake is among both.
    for (const client of new Set([...this.#connections.plain(), ...this.#pending.all]))
      yield* ClientWithoutBridge.of(client, this.#plain.exchanges(client), () => this.#counters.shed('memory'))
  }

  #accepted(client: Socket): void {
    if (this.#memory.isFull) {
      this.#counters.refused('no_memory')
      client.destroy()
      return
    }
    this.#connectionMemory.accepted(client)
  }
}
