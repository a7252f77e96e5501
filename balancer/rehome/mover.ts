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
import { isSessionLost, LostSessions } from './lost-sessions.ts'
import { MoveTable, type QueueName } from './move-table.ts'
import { mayMove, type RehomePolicy } from './policy.ts'
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
 * leaving; gradually if the owner has changed. Clients that cannot be moved are closed instead, at a limited rate.
 */
export class Mover {
  readonly members: LiveMembers
  readonly #options: MoverOptions
  readonly #rehome: Rehome
  readonly #count
  readonly #table: MoveTable
  readonly #lostSessions = new LostSessions()
  readonly #unsubscribe: () => void
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
    const table = new MoveTable({
      perSecond: config.MAX_MOVES_PER_SECOND,
      run: (connection, reason, queue) => this.#move(connection, reason, queue),
      onError: error => log.error({ err: error }, 'a move failed'),
    })
    this.#table = table
    this.#count = rehomeMetrics(metrics, {
      waiting: () => table.size,
      isSuspended: () => this.#lostSessions.areTooMany,
    })
    this.#unsubscribe = discovery.onChange((members, { leaving }) => {
      if (this.#lostSessions.membersChanged(members.members.map(({ name }) => name)))
        log.info('all pods of the app are new: clients are moved again')
      if (leaving.length > 0) this.#leave(new Set(leaving))
      this.settle()
    })
  }

  /** Called when the owners of users may have changed; rebalancing starts after a quiet period. */
  settle(): void {
    const { REBALANCE, REBALANCE_DELAY_SECONDS } = this.#options.config
    if (REBALANCE !== 'gradual' || this.#stopped) return
    this.#table.forgetRefusals()
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
    if (this.#stopped) return false
    const { lastMove } = context
    if (this.#policy === 'auto' && lastMove && !midMessage && isSessionLost(code, lastMove.at, performance.now())) {
      this.#loseSession(connection, lastMove.reason, code)
      return true
    }
    const leaving = !this.members.isMember(context.member)
    const reason = reasonOf(code, leaving)
    if (!reason || context.endedByApp) return false
    if (midMessage || !withinLossBudget(context, performance.now())) {
      this.#count.count(reason, 'passed_on', 0)
      return false
    }
    // A connection that is already being moved continues: the move ends before the news can arrive.
    const isMoving = this.#table.get(connection)?.is === 'moving'
    if (reason === 'restart' && !leaving && !isMoving) this.#expect(connection)
    else this.#start(connection, reason)
    return true
  }

  get #policy(): RehomePolicy {
    return this.#options.config.REHOME
  }

  /** An app has rejected a client that was moved to it. Its code would make some client libraries give up. */
  #loseSession(connection: Connection, reason: Reason, code: number): void {
    const { discovery, log } = this.#options
    const { user, member } = connection.context
    this.#count.count(reason, 'session_lost', 0)
    log.warn({ user, member, code }, 'the app rejected a client that was moved to it')
    if (this.#lostSessions.add(discovery.members.members.map(({ name }) => name)))
      log.error(
        { code },
        'the app rejects moved clients: until all its pods are new, clients are closed with 1012 instead of moved',
      )
    // Not within the event that tells of the loss.
    setImmediate(() => connection.close('rehome', CLOSE.SERVICE_RESTART, RESTART))
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
    this.#table.delete(connection)
  }

  /** Stops all moves, because this balancer itself is ending. */
  stop(): void {
    this.#stopped = true
    this.#unsubscribe()
    clearTimeout(this.#settling)
    for (const connection of this.#table.clear()) connection.giveUp()
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
    this.#table.expect(connection, NEWS_MS, () => {
      if (!this.members.isMember(connection.context.member)) {
        this.#start(connection, 'restart')
        return
      }
      this.#count.count('restart', 'passed_on', 0)
      connection.giveUp()
    })
  }

  #start(connection: Connection, reason: Reason): void {
    if (this.#stopped || connection.state !== 'open') return
    // Closing it does not depend on the app, which has refused it.
    const wasRefused = this.#table.get(connection)?.is === 'refused'
    const queue = wasRefused || !this.#mayMove(connection) ? 'closing' : queueOf(connection, reason)
    const latest = connection.orphaned ? connection.context.lostAt + this.#options.config.REHOME_TIMEOUT_MS : undefined
    this.#table.add(connection, reason, queue, latest)
  }

  #mayMove(connection: Connection): boolean {
    return mayMove(this.#policy, connection) && !(this.#policy === 'auto' && this.#lostSessions.areTooMany)
  }

  #rebalance(): void {
    this.#settling = undefined
    this.#table.dropWaiting('rebalance')
    // Without members, connections stay where they are; the arrival of a member triggers a change.
    if (this.members.size === 0) return
    const wrong = misplaced(
      this.#options.connections(),
      key => this.members.choose(key),
      name => this.members.isMember(name),
    )
    // A connection with a state already gets another upstream, or its app refuses it.
    for (const connection of wrong)
      if (!connection.orphaned && !this.#table.get(connection)) this.#start(connection, 'rebalance')
  }

  async #move(connection: Connection, reason: Reason, queue: QueueName): Promise<void> {
    const start = performance.now()
    const isClosed = queue === 'closing' || !this.#mayMove(connection)
    const result = isClosed ? 'closed' : await this.#result(connection, reason)
    const next = this.#table.end(connection)
    this.#count.count(reason, result, (performance.now() - start) / 1000)
    if (connection.state !== 'open') return
    const { context } = connection
    if (result === 'moved') context.lastMove = { at: performance.now(), reason }
    // The connection's new member may be no better.
    if (next && (connection.orphaned ? result !== 'timeout' : this.members.isLeaving(context.member)))
      this.#start(connection, next)
    else if (connection.orphaned || isClosed) this.#close(connection, reason, result)
    else this.#stay(connection, reason, result)
  }

  /** An unmoved connection is still served by its upstream. If that ends too, there is another attempt. */
  #stay(connection: Connection, reason: Reason, result: Result): void {
    const { key, member } = connection.context
    if (result === 'refused' || result === 'differs') {
      // Another attempt would end in the same way, and a leaving member would wait for it in vain.
      if (this.members.isLeaving(member)) this.#table.add(connection, reason, 'closing')
      else this.#table.refuse(connection)
    } else if (this.members.choose(key)?.name !== member) this.#tryLater()
  }

  #close(connection: Connection, reason: Reason, result: Result): void {
    const { user, session } = connection.context
    this.#options.log.info({ user, reason, result }, 'a client has to connect again')
    if (session?.goodbye !== undefined)
      void connection.send('client', { data: Buffer.from(session.goodbye), binary: false })
    connection.close('rehome', CLOSE.SERVICE_RESTART, RESTART)
  }

  async #result(connection: Connection, reason: Reason): Promise<Result> {
    try {
      return await this.#rehome.move(connection, reason)
    } catch (error) {
      this.#options.log.error({ err: error, user: connection.context.user, reason }, 'a move failed')
      return 'failed'
    }
  }
}

/** The queue of a connection that can be moved. */
function queueOf({ orphaned }: Connection, reason: Reason): QueueName {
  if (orphaned) return 'lost'
  return reason === 'rebalance' ? 'gradual' : 'leaving'
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
