import type { Loss } from '../../lib/bridge/bridge.ts'
import { dialLimitsOf } from '../../lib/proxy/proxy-settings.ts'
import { decodeControlPing } from '../../lib/rehome/control-pings.ts'
import type { Discovery } from '../../lib/routing/discovery/discovery.ts'
import type { Suspects } from '../../lib/routing/suspects.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { CLOSE } from '../../lib/websocket/close-codes.ts'
import type { BalancerConfig } from '../config.ts'
import { LiveMembers } from '../placement/live-members.ts'
import { type Connection, withinLossBudget } from '../placement/placement.ts'
import { MoveQueue } from './move-queue.ts'
import { misplaced } from './rebalance.ts'
import { Rehome } from './rehome.ts'
import { type Reason, type Result, rehomeMetrics } from './rehome-metrics.ts'

export interface MoverOptions {
  readonly config: BalancerConfig
  readonly discovery: Discovery
  readonly suspects: Suspects
  /** Secret of the control pings. */
  readonly secret: Buffer
  readonly log: Logger
  readonly metrics: Metrics
  readonly connections: () => Iterable<Connection>
}

/** Maximum number of connections that each queue moves at a time. */
const AT_A_TIME = 64

/**
 * Maximum delay between an app telling a client that it shuts down and the news that its member does, in milliseconds.
 * Without that news, the app meant only this client.
 */
const NEWS_MS = 500

/** Minimum delay before the next attempt to move a misplaced connection to its owner, in milliseconds. */
const TRY_LATER_MS = 5000

const RESTART = 'service restart'

/**
 * Decides which connections get another upstream, and when: at once if the upstream is lost or announces that it is
 * leaving; gradually if the owner has changed.
 */
export class Mover {
  readonly members: LiveMembers
  readonly #options: MoverOptions
  readonly #rehome: Rehome
  readonly #count
  /** Connections without an upstream; they have little time, so they do not queue behind connections still served. */
  readonly #lost: MoveQueue<Connection>
  /** Connections whose upstream is leaving. */
  readonly #leaving: MoveQueue<Connection>
  readonly #gradual: MoveQueue<Connection>
  readonly #unsubscribe: () => void
  /** Connections waiting to learn whether their member is leaving. */
  readonly #expecting = new Map<Connection, NodeJS.Timeout>()
  /** Connections being moved, each with the latest reason that came up meanwhile. */
  readonly #moving = new Map<Connection, Reason | undefined>()
  /** Connections the app refused to re-accept; not retried until membership changes. */
  #refused = new WeakSet<Connection>()
  #settling: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: MoverOptions) {
    const { config, discovery, suspects, secret, log, metrics } = options
    this.#options = options
    this.members = new LiveMembers(discovery, suspects)
    this.#rehome = new Rehome({
      members: this.members,
      secret,
      dialLimits: dialLimitsOf(config),
      timeoutMs: config.REHOME_TIMEOUT_MS,
      lingerMs: config.REHOME_LINGER_MS,
      log,
    })
    this.#count = rehomeMetrics(metrics)
    const perSecond = config.MAX_MOVES_PER_SECOND
    // Clients that are only told to reconnect would all come back at once.
    const urgentPerSecond = config.REHOME === 'close' ? perSecond : Number.POSITIVE_INFINITY
    const onError = (error: unknown) => log.error({ err: error }, 'a move failed')
    this.#lost = new MoveQueue({ concurrency: AT_A_TIME, perSecond: urgentPerSecond, onError })
    this.#leaving = new MoveQueue({ concurrency: AT_A_TIME, perSecond: urgentPerSecond, onError })
    this.#gradual = new MoveQueue({ concurrency: AT_A_TIME, perSecond, onError })
    const queues = [this.#lost, this.#leaving, this.#gradual]
    metrics.gauge('moves_waiting', 'Connections that wait for another upstream, or are being moved to one.', {
      collect() {
        this.set(queues.reduce((sum, { size }) => sum + size, 0))
      },
    })
    this.#unsubscribe = discovery.onChange((_members, { leaving }) => {
      if (leaving.length > 0) this.#leave(new Set(leaving))
      this.settle()
    })
  }

  /** Called when the owners of users may have changed; rebalancing starts after a quiet period. */
  settle(): void {
    const { REBALANCE, REBALANCE_DELAY_SECONDS } = this.#options.config
    if (REBALANCE !== 'gradual' || this.#stopped) return
    this.#refused = new WeakSet()
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#rebalance(), REBALANCE_DELAY_SECONDS * 1000)
  }

  /**
   * Schedules another attempt for misplaced connections: a message did not end in time, or an app died and may restart,
   * which the member list does not show if the restart is quick.
   */
  #tryLater(): void {
    const { REBALANCE, REBALANCE_DELAY_SECONDS } = this.#options.config
    if (REBALANCE !== 'gradual' || this.#stopped) return
    this.#settling ??= setTimeout(() => this.#rebalance(), Math.max(TRY_LATER_MS, REBALANCE_DELAY_SECONDS * 1000))
  }

  /** Handles the end of an upstream; `true`: the client need not know. */
  onLost(connection: Connection, { code, midMessage }: Loss): boolean {
    const { context } = connection
    const leaving = !this.members.isMember(context.member)
    const reason = reasonOf(code, leaving)
    if (!reason || context.endedByApp || this.#stopped) return false
    if (midMessage || !withinLossBudget(context, performance.now())) {
      this.#count.count(reason, 'passed_on', 0)
      return false
    }
    // A connection that is already being moved continues: the move ends before the news can arrive.
    if (reason === 'restart' && !leaving && !this.#moving.has(connection)) this.#expect(connection)
    else this.#start(connection, reason)
    return true
  }

  /** Handles a sidecar's control ping about a connection. */
  onControl(connection: Connection, payload: Buffer): void {
    const control = decodeControlPing(payload)
    if (control?.type === 'ended') connection.context.endedByApp = true
    if (control?.type !== 'drain') return
    this.members.markDraining(connection.context.member)
    this.#start(connection, 'drain')
  }

  /** Forgets a connection that has ended. */
  forget(connection: Connection): void {
    this.#lost.delete(connection)
    this.#unqueue(connection)
    clearTimeout(this.#expecting.get(connection))
    this.#expecting.delete(connection)
  }

  /** Stops all moves, because this balancer itself is ending. */
  stop(): void {
    this.#stopped = true
    this.#unsubscribe()
    clearTimeout(this.#settling)
    this.#lost.clear()
    this.#leaving.clear()
    this.#gradual.clear()
    for (const [connection, timer] of this.#expecting) {
      clearTimeout(timer)
      connection.giveUp()
    }
    this.#expecting.clear()
  }

  #leave(names: ReadonlySet<string>): void {
    for (const connection of this.#options.connections()) {
      if (names.has(connection.context.member)) this.#start(connection, 'drain')
    }
  }

  /**
   * The app announced a restart: its member will leave or stop accepting connections, or else the app meant only this
   * client.
   */
  #expect(connection: Connection): void {
    this.#unqueue(connection)
    const timer = setTimeout(() => {
      this.#expecting.delete(connection)
      if (!this.members.isMember(connection.context.member)) {
        this.#start(connection, 'restart')
        return
      }
      this.#count.count('restart', 'passed_on', 0)
      connection.giveUp()
    }, NEWS_MS)
    this.#expecting.set(connection, timer)
  }

  #start(connection: Connection, reason: Reason): void {
    if (this.#stopped || connection.state !== 'open') return
    clearTimeout(this.#expecting.get(connection))
    this.#expecting.delete(connection)
    this.#unqueue(connection)
    if (this.#moving.has(connection)) {
      this.#moving.set(connection, reason)
      return
    }
    const move = () => this.#move(connection, reason)
    const { REHOME_TIMEOUT_MS } = this.#options.config
    if (connection.orphaned) this.#lost.add(connection, move, connection.context.lostAt + REHOME_TIMEOUT_MS)
    else this.#leaving.add(connection, move)
  }

  /** Removes a connection from the queues for connections that have an upstream. */
  #unqueue(connection: Connection): void {
    this.#leaving.delete(connection)
    this.#gradual.delete(connection)
  }

  #rebalance(): void {
    const { connections } = this.#options
    this.#settling = undefined
    this.#gradual.clear()
    // Without members, connections stay where they are; the arrival of a member triggers a change.
    if (this.members.size === 0) return
    const wrong = misplaced(
      connections(),
      key => this.members.choose(key),
      name => this.members.isMember(name),
    )
    for (const connection of wrong) {
      // It is already queued for another upstream, or being moved to one, which the app may still refuse.
      if (connection.orphaned || this.#moving.has(connection) || this.#leaving.has(connection)) continue
      if (this.#refused.has(connection)) continue
      this.#gradual.add(connection, () => this.#move(connection, 'rebalance'))
    }
  }

  async #move(connection: Connection, reason: Reason): Promise<void> {
    const start = performance.now()
    this.#moving.set(connection, undefined)
    const result = await this.#result(connection, reason)
    const next = this.#moving.get(connection)
    this.#moving.delete(connection)
    this.#count.count(reason, result, (performance.now() - start) / 1000)
    if (connection.state !== 'open') return
    // The connection's new member may be no better.
    if (next && (connection.orphaned ? result !== 'timeout' : this.members.isLeaving(connection.context.member))) {
      this.#start(connection, next)
      return
    }
    if (result !== 'closed' && !connection.orphaned) {
      // An unmoved connection is still served by its upstream. If that ends too, there is another attempt.
      if (result === 'refused' || result === 'differs') this.#refused.add(connection)
      else if (this.members.choose(connection.context.key)?.name !== connection.context.member) this.#tryLater()
      return
    }
    this.#options.log.info({ user: connection.context.user, reason, result }, 'a client has to connect again')
    connection.close('rehome', CLOSE.SERVICE_RESTART, RESTART)
  }

  async #result(connection: Connection, reason: Reason): Promise<Result> {
    if (this.#options.config.REHOME === 'close') return 'closed'
    try {
      return await this.#rehome.move(connection, reason)
    } catch (error) {
      this.#options.log.error({ err: error, user: connection.context.user, reason }, 'a move failed')
      return 'failed'
    }
  }
}

/** Reason for the end of an upstream, derived from its close code; `undefined`: the app ended it on purpose. */
function reasonOf(code: number, leaving: boolean): Reason | undefined {
  switch (code) {
    case CLOSE.ABNORMAL:
      return 'crash'
    case CLOSE.GOING_AWAY:
    case CLOSE.SERVICE_RESTART:
      return 'restart'
    case CLOSE.NO_STATUS:
      return leaving ? 'restart' : undefined
    default:
      return undefined
  }
}
