import type { IncomingMessage } from 'node:http'
import type { Bridge, BridgeEnd, BridgeOptions } from '../bridge/bridge.ts'
import type { Logger } from '../service/log/log.ts'
import type { MemoryBudget } from '../service/memory/budget.ts'
import type { Metrics } from '../service/metrics.ts'
import type { ResponseHead } from '../websocket/response-head.ts'
import type { Fields } from './handshake.ts'
import type { Opening, Plan } from './plan.ts'
import type { WireConfig } from './proxy-settings.ts'

/** Events and rules of a bridge that the program supplies; see {@link BridgeOptions}. */
export type BridgeHooks<C> = Pick<
  BridgeOptions<C>,
  'find' | 'holdFor' | 'takes' | 'onAddressed' | 'onUnparsed' | 'onControl' | 'onLost'
>

/** Decisions about a handshake that the program supplies. */
export interface UpgradeHooks<C> {
  /** Whether a handshake is for a listener of the program itself, not for an upstream. */
  readonly claims?: (request: IncomingMessage) => boolean
  /**
   * Decides where a handshake or a plain request goes.
   *
   * @param path path and query as the client sent them
   * @throws an error of the error table, which the client gets as its answer
   */
  plan(request: IncomingMessage, path: string): Plan<C>
  /**
   * Chooses another destination for a handshake that failed at its upstream; `undefined` passes that upstream's answer
   * on.
   *
   * @param code of the error table
   */
  failover?(plan: Plan<C>, code: string): Plan<C> | undefined
  /**
   * Checks an upstream's acceptance before the client gets it.
   *
   * @returns the plan, completed by the upstream's answer
   * @throws an error of the error table, which the client gets as its answer
   */
  confirm?(plan: Plan<C>, head: ResponseHead): Plan<C>
  opened?(bridge: Bridge<C>, opening: Opening): void
}

/** Everything a program supplies for its proxy. */
export interface ProxyOptions<C> extends BridgeHooks<C>, UpgradeHooks<C> {
  readonly log: Logger
  readonly metrics: Metrics
  readonly config: WireConfig
  /** Response fields that name this program. */
  readonly identity: Fields
  /** Memory limit of the process; by default derived from its configuration. */
  readonly memory?: MemoryBudget
  /** Number of processes that share the container's memory. */
  readonly processes?: number
  /**
   * Whether upstream messages reach the client only when complete, within limits, so that a lost upstream leaves no
   * partial one.
   */
  readonly wholeMessages?: boolean
  /** Whether a plain request is for routes of the program itself, not for an upstream. */
  readonly isOwn?: (request: IncomingMessage) => boolean
  closed?(bridge: Bridge<C>, end: BridgeEnd): void
}
