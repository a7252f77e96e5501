import type { WebSocketProxy } from '../../lib/proxy/proxy.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import type { Messaging } from '../messaging.ts'
import { deadlineIn, orLate } from '../transport/deadline.ts'
import { type DrainOptions, handOverAll, handOverDeadline, movable } from './hand-over-all.ts'
import type { Identity } from './handshake-plan.ts'
import type { RehomeControl } from './rehome-control.ts'

export interface ClientDrainOptions {
  readonly proxy: Pick<WebSocketProxy<Identity>, 'bridges' | 'refuse' | 'drain'>
  readonly control: Pick<RehomeControl, 'drain'>
  readonly messaging: Messaging
  /** Time limit for the hand-over within {@link ClientDrain.drain}, in milliseconds. */
  readonly limitMs: number
  readonly log: Logger
}

/** Hands this pod's clients over when it ends: on the preStop hook, or else on the process's shutdown. */
export class ClientDrain {
  readonly #options: ClientDrainOptions
  #handedOver = false

  constructor(options: ClientDrainOptions) {
    this.#options = options
  }

  /**
   * Hands all clients over.
   *
   * @param deadline ms since the epoch
   * @returns the result, as text for an operator
   */
  async handOver(deadline: number): Promise<string> {
    const { proxy } = this.#options
    this.#handedOver = true
    proxy.refuse()
    const before = proxy.bridges.size
    const closed = await this.#handOver(() => proxy.bridges, deadline)
    return `${before - closed} of ${before} connections were handed over, ${closed} had to be closed`
  }

  /**
   * Ends all connections by `deadline` (ms since the epoch); without a preStop hook, clients behind a balancer are
   * moved first.
   */
  async drain(deadline: number): Promise<void> {
    const { proxy, limitMs, log } = this.#options
    if (!this.#handedOver) {
      proxy.refuse()
      const until = Math.min(handOverDeadline(deadline), Date.now() + limitMs)
      const closed = await this.#handOver(() => movable(proxy.bridges), until)
      if (closed > 0) log.warn({ closed }, 'clients that nobody took were closed')
    }
    await proxy.drain(deadline)
  }

  /** @returns number of connections that had to be closed */
  async #handOver(connections: DrainOptions['connections'], deadline: number): Promise<number> {
    const { control, messaging } = this.#options
    const closed = await handOverAll({ connections, ask: connection => control.drain(connection) }, deadline)
    // A moved client may have messages in flight; the search for their recipients ends with this process.
    await orLate(messaging.router.settled(), undefined, deadlineIn(Math.max(1, deadline - Date.now())))
    messaging.closeSenders()
    return closed
  }
}
