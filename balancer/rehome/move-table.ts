import type { Connection } from '../placement/placement.ts'
import { MoveQueue } from './move-queue.ts'
import type { Reason } from './rehome-metrics.ts'

/** Maximum number of connections that each queue moves at a time. */
const AT_A_TIME = 64

/**
 * `lost`: connections without an upstream; they have little time, so they do not queue behind connections still served.
 * `leaving`: connections whose upstream is leaving. `gradual`: connections that another member owns. `closing`: clients
 * that have to connect again, which they must not all do at once.
 */
const QUEUES = ['lost', 'leaving', 'gradual', 'closing'] as const
export type QueueName = (typeof QUEUES)[number]

/**
 * What is under way for a connection. `expecting`: it is not known yet whether its member leaves. `queued`: it waits for
 * its turn. `moving`: it has its turn; `next` is the latest reason that came up meanwhile. `refused`: its app would not
 * take it a second time while the members are the same.
 */
export type Underway =
  | { readonly is: 'expecting'; readonly timer: NodeJS.Timeout }
  | { readonly is: 'queued'; readonly queue: QueueName; readonly reason: Reason }
  | { readonly is: 'moving'; readonly reason: Reason; readonly next: Reason | undefined }
  | { readonly is: 'refused' }

interface Options {
  /** Limit of the queues `gradual` and `closing`. */
  readonly perSecond: number
  /** Moves a connection that has its turn, or closes it. Must not reject. */
  readonly run: (connection: Connection, reason: Reason, queue: QueueName) => Promise<void>
  readonly onError: (error: unknown) => void
}

/** The connections that are to be moved: one state for each, and the queues in which they wait. */
export class MoveTable {
  readonly #states = new Map<Connection, Underway>()
  readonly #queues: Readonly<Record<QueueName, MoveQueue<Connection>>>
  readonly #run: Options['run']

  constructor({ perSecond, run, onError }: Options) {
    const queue = (limit: number) => new MoveQueue<Connection>({ concurrency: AT_A_TIME, perSecond: limit, onError })
    this.#run = run
    this.#queues = {
      lost: queue(Number.POSITIVE_INFINITY),
      leaving: queue(Number.POSITIVE_INFINITY),
      gradual: queue(perSecond),
      closing: queue(perSecond),
    }
  }

  get(connection: Connection): Underway | undefined {
    return this.#states.get(connection)
  }

  /** Number of connections that wait for their turn or have it. */
  get size(): number {
    return QUEUES.reduce((sum, name) => sum + this.#queues[name].size, 0)
  }

  /** Waits for news about the member of a connection. @param over called if none comes in time */
  expect(connection: Connection, ms: number, over: () => void): void {
    this.delete(connection)
    const timer = setTimeout(() => {
      this.#states.delete(connection)
      over()
    }, ms)
    this.#states.set(connection, { is: 'expecting', timer })
  }

  /**
   * Puts a connection into a queue. While it is being moved, only the reason is recorded.
   *
   * @param latest as for `MoveQueue.add`
   */
  add(connection: Connection, reason: Reason, queue: QueueName, latest?: number): void {
    const state = this.#states.get(connection)
    if (state?.is === 'moving') {
      this.#states.set(connection, { ...state, next: reason })
      return
    }
    this.delete(connection)
    this.#states.set(connection, { is: 'queued', queue, reason })
    this.#queues[queue].add(connection, () => this.#begin(connection, reason, queue), latest)
  }

  async #begin(connection: Connection, reason: Reason, queue: QueueName): Promise<void> {
    this.#states.set(connection, { is: 'moving', reason, next: undefined })
    await this.#run(connection, reason, queue)
  }

  /** Ends a move. @returns the latest reason that came up meanwhile */
  end(connection: Connection): Reason | undefined {
    const state = this.#states.get(connection)
    if (state?.is !== 'moving') return undefined
    this.#states.delete(connection)
    return state.next
  }

  /** Records that the app refused a connection. */
  refuse(connection: Connection): void {
    this.#states.set(connection, { is: 'refused' })
  }

  /** The members have changed: an app may accept what it refused. */
  forgetRefusals(): void {
    for (const [connection, { is }] of this.#states) if (is === 'refused') this.#states.delete(connection)
  }

  /** Drops the connections that wait for a move of this reason. */
  dropWaiting(reason: Reason): void {
    for (const [connection, state] of this.#states)
      if (state.is === 'queued' && state.reason === reason) this.delete(connection)
  }

  /** Drops a connection, unless it is being moved. */
  delete(connection: Connection): void {
    const state = this.#states.get(connection)
    if (state?.is === 'moving') return
    if (state?.is === 'expecting') clearTimeout(state.timer)
    if (state?.is === 'queued') this.#queues[state.queue].delete(connection)
    this.#states.delete(connection)
  }

  /** Drops everything that waits. @returns connections that were waiting for news */
  clear(): Connection[] {
    const expecting = [...this.#states].filter(([, { is }]) => is === 'expecting').map(([connection]) => connection)
    for (const name of QUEUES) this.#queues[name].clear()
    for (const connection of this.#states.keys()) this.delete(connection)
    return expecting
  }
}
