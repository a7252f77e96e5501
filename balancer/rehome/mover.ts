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
  /** Of the control pings. */
  readonly secret: Buffer
  readonly log: Logger
  readonly metrics: Metrics
  readonly connections: () => Iterable<Connection>
}

/** Connections of one kind that are moved at a time. */
const AT_A_TIME = 64

/**
 * Longest time for the news that a member is shutting down to come after its app has told a client so, in milliseconds. Without
 * the news, the app meant this client.
 */
const NEWS_MS = 500

/** Shortest time until it is tried to bring a connection where it belongs that could not be there now, in milliseconds. */
const TRY_LATER_MS = 5000

const RESTART = 'service restart'

/**
 * Decides which connections get another upstream, and when: at once those whose upstream is lost or says that it leaves; at their
 * leisure those whose owner has become another.
 */
export class Mover {
  readonly members: LiveMembers
  readonly #options: MoverOptions
  readonly #rehome: Rehome
  readonly #count
  /** Those without an upstream, whose time is short: they do not wait for those that are still served. */
  readonly #lost: MoveQueue<Connection>
  /** Those whose upstream leaves. */
  readonly #leaving: MoveQueue<Connection>
  readonly #gradual: MoveQueue<Connection>
  readonly #unsubscribe: () => void
  /** Those that wait to know whether their member leaves. */
  readonly #expecting = new Map<Connection, NodeJS.Timeout>()
  /** Those that are being moved, and whether there was another reason meanwhile. */
  readonly #moving = new Map<Connection, Reason | undefined>()
  /** Those that the app would not have a second time: asking again for balance is of no use while the members are the same. */
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
    // Who is only told to connect again would come back at once, with all the others.
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

  /** To be called when who takes which users may have changed; what follows waits until that has been quiet for a while. */
  settle(): void {
    const { REBALANCE, REBALANCE_DELAY_SECONDS } = this.#options.config
    if (REBALANCE !== 'gradual' || this.#stopped) return
    this.#refused = new WeakSet()
    clearTimeout(this.#settling)
    this.#settling = setTimeout(() => this.#rebalance(), REBALANCE_DELAY_SECONDS * 1000)
  }

  /**
   * A connection is not where it belongs: a message did not end, or its app has died and may be started again, of which the members
   * tell nothing where that is quick.
   */
  #tryLater(): void {
    const { REBALANCE, REBALANCE_DELAY_SECONDS } = this.#options.config
    if (REBALANCE !== 'gradual' || this.#stopped) return
    this.#settling ??= setTimeout(() => this.#rebalance(), Math.max(TRY_LATER_MS, REBALANCE_DELAY_SECONDS * 1000))
  }

  /** An upstream has ended; `true`: the client need not know. */
  onLost(connection: Connection, { code, midMessage }: Loss): boolean {
    const { context } = connection
    const leaving = !this.members.isMember(context.member)
    const reason = reasonOf(code, leaving)
    if (!reason || context.endedByApp || this.#stopped) return false
    if (midMessage || !withinLossBudget(context, performance.now())) {
      this.#count.count(reason, 'passed_on', 0)
      return false
    }
    // One that is being moved goes on with that: it would be over before the news.
    if (reason === 'restart' && !leaving && !this.#moving.has(connection)) this.#expect(connection)
    else this.#start(connection, reason)
    return true
  }

  /** What a sidecar says about a connection. */
  onControl(connection: Connection, payload: Buffer): void {
    const control = decodeControlPing(payload)
    if (control?.type === 'ended') connection.context.endedByApp = true
    if (control?.type !== 'drain') return
    this.members.markDraining(connection.context.member)
    this.#start(connection, 'drain')
  }

  /** A connection has ended. */
  forget(connection: Connection): void {
    this.#lost.delete(connection)
    this.#unqueue(connection)
    clearTimeout(this.#expecting.get(connection))
    this.#expecting.delete(connection)
  }

  /** Moves nobody any more: this balancer itself ends. */
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

  /** The app said that it restarts: either it does, and then its member leaves or takes nobody, or it meant this client. */
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

  /** Takes a connection out of where those wait that have an upstream. */
  #unqueue(connection: Connection): void {
    this.#leaving.delete(connection)
    this.#gradual.delete(connection)
  }

  #rebalance(): void {
    const { connections } = this.#options
    this.#settling = undefined
    this.#gradual.clear()
    // With nobody to take them they stay where they are; there is news when somebody comes.
    if (this.members.size === 0) return
    const wrong = misplaced(
      connections(),
      key => this.members.choose(key),
      name => this.members.isMember(name),
    )
    for (const connection of wrong) {
      // It gets another upstream already, or the app is about to say whether it may.
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
    // Where it has come to meanwhile may be no better.
    if (next && (connection.orphaned ? result !== 'timeout' : this.members.isLeaving(connection.context.member))) {
      this.#start(connection, next)
      return
    }
    if (result !== 'closed' && !connection.orphaned) {
      // Where it has not moved, its upstream still serves it. When that ends too, there is another attempt.
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

/** Why an upstream has ended by itself, as far as its close code tells; `undefined`: because it wanted to. */
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
