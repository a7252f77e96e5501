import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { closeUpstream } from '../../bridge/socket/closing.ts'
import type { Answered } from '../../bridge/socket/dial.ts'
import type { SocketReads } from '../../bridge/socket/socket-reads.ts'
import type { ClientConnections } from '../../service/http/client-connections.ts'
import { serviceError } from '../../service/http/errors.ts'
import type { ServiceError } from '../../service/log/failure-log.ts'
import type { MemoryBudget } from '../../service/memory/budget.ts'
import { answerOf, type ErrorSinks, sayAndEnd } from '../error-response.ts'
import {
  type HandshakeProblem,
  handshakeProblem,
  hasTwoHosts,
  isAccepted,
  repeatAnswer,
  repeatHandshake,
} from '../handshake.ts'
import type { Plan } from '../plan.ts'
import type { ProxyMetrics } from '../proxy-metrics.ts'
import type { UpgradeHooks } from '../proxy-options.ts'
import { connectionLimit, dialLimitsOf, type WireConfig } from '../proxy-settings.ts'
import type { ConnectionMemory } from './connection-memory.ts'
import type { OpenBridges } from './open-bridges.ts'
import type { PendingClients } from './pending-clients.ts'
import { passRefusal } from './refusal.ts'
import { UpstreamDialler } from './upstream-dialler.ts'

export interface UpgradeHandlerOptions<C> {
  readonly config: WireConfig
  readonly hooks: UpgradeHooks<C>
  readonly bridges: OpenBridges<C>
  readonly connections: ClientConnections
  readonly pending: PendingClients
  readonly memory: MemoryBudget
  readonly connectionMemory: ConnectionMemory
  readonly reads: SocketReads
  readonly sinks: ErrorSinks
  readonly counters: ProxyMetrics
}

/**
 * Answers WebSocket handshakes. It dials the upstream first and accepts the client only after the upstream has
 * accepted, with the upstream's own answer; a refusal passes to the client unchanged.
 */
export class UpgradeHandler<C> {
  readonly #options: UpgradeHandlerOptions<C>
  readonly #dialler: UpstreamDialler<C>
  readonly #maxConnections: number
  #draining = false

  constructor(options: UpgradeHandlerOptions<C>) {
    this.#options = options
    const { config, hooks, reads } = options
    const limits = { ...dialLimitsOf(config), reads }
    this.#dialler = new UpstreamDialler(limits, (plan, code) => hooks.failover?.(plan, code))
    this.#maxConnections = connectionLimit(config)
  }

  /**
   * Takes a handshake, or leaves it to a listener of the program itself.
   *
   * @param head bytes that the client sent after the handshake
   */
  handle(request: IncomingMessage, client: Socket, head: Buffer): void {
    const { connections, pending, hooks } = this.#options
    // Node before 24.9 has no `shouldUpgradeCallback` (server.ts).
    if (connections.requests(client) > 0) {
      client.destroy()
      return
    }
    connections.upgraded(client)
    if (hooks.claims?.(request)) return
    pending.add(client)
    this.#upgrade(request, client, head).catch((error: ServiceError) => this.#fail(request, client, error))
  }

  /** Refuses all handshakes from now on, including those waiting for their upstream. */
  refuse(): void {
    this.#draining = true
    this.#dialler.stop()
  }

  async #upgrade(request: IncomingMessage, client: Socket, head: Buffer): Promise<void> {
    this.#assertRoom(request)
    const problem = handshakeProblem(request)
    if (problem) {
      this.#reject(client, problem)
      return
    }
    const path = request.url ?? '/'
    const first = this.#options.hooks.plan(request, path)
    const handshake = repeatHandshake(request, path, first.drop, first.set)
    const { plan, answered } = await this.#dialler.reach(first, handshake, client)
    if (isAccepted(answered.head)) this.#accept(client, head, answered, this.#confirm(plan, answered), handshake)
    else this.#passRefusal(client, answered, plan)
  }

  /** @throws `WSO_ERR_DRAINING`, `WSO_ERR_FULL`, `WSO_ERR_BAD_HOST` or `WSO_ERR_NO_MEMORY` */
  #assertRoom(request: IncomingMessage): void {
    const { bridges, memory } = this.#options
    if (this.#draining) throw serviceError('DRAINING')
    if (bridges.all.size + this.#dialler.size >= this.#maxConnections) throw serviceError('FULL', this.#maxConnections)
    if (hasTwoHosts(request)) throw serviceError('BAD_HOST')
    if (memory.isFull) throw serviceError('NO_MEMORY')
  }

  #reject(client: Socket, { status, message, headers }: HandshakeProblem): void {
    this.#count(client, 'bad_handshake')
    sayAndEnd(client, status, `${message}\n`, { 'Content-Type': 'text/plain', ...headers })
  }

  #fail(request: IncomingMessage, client: Socket, error: ServiceError): void {
    const { code, status, body, fields } = answerOf(error, request.url ?? '/', this.#options.sinks)
    this.#count(client, code.replace(/^WSO_ERR_/, '').toLowerCase())
    sayAndEnd(client, status, body, fields)
  }

  #passRefusal(client: Socket, answered: Answered, plan: Plan<C>): void {
    this.#count(client, 'upstream')
    const { config, bridges } = this.#options
    passRefusal(client, answered, this.#answer(answered, plan), {
      timeoutMs: config.HANDSHAKE_TIMEOUT_MS,
      passed: bytes => bridges.memory.passed(bytes),
    })
  }

  #count(client: Socket, refusal: string): void {
    const { counters, connections } = this.#options
    counters.refused(refusal)
    connections.refused(client)
  }

  /** @throws the error of the program's `confirm`, after closing the upstream as if its client had left */
  #confirm(plan: Plan<C>, { head, socket }: Answered): Plan<C> {
    try {
      return this.#options.hooks.confirm?.(plan, head) ?? plan
    } catch (error) {
      closeUpstream(socket)
      throw error
    }
  }

  #accept(client: Socket, head: Buffer, answered: Answered, plan: Plan<C>, handshake: Buffer): void {
    const { counters, bridges, connections, pending, connectionMemory, hooks } = this.#options
    counters.accepted()
    pending.release(client)
    const bridge = bridges.join(client, head, answered, this.#answer(answered, plan), plan)
    connections.forget(client)
    connectionMemory.keepHandshake(client, handshake.length)
    hooks.opened?.(bridge, { handshake, answer: answered.head })
    bridge.start()
  }

  /** The upstream's answer with this hop's fields. */
  #answer({ head }: Answered, plan: Plan<C>): Buffer {
    return repeatAnswer(head, plan.answer, this.#options.sinks.topology.hidden)
  }
}
