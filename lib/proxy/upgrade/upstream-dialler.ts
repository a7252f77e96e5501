import type { Socket } from 'node:net'
import { type Answered, type DialLimits, type Dialling, dial } from '../../bridge/socket/dial.ts'
import { serviceError } from '../../service/http/errors.ts'
import type { ServiceError } from '../../service/log/failure-log.ts'
import { ERROR_HEADER } from '../../service/names.ts'
import { fieldOf } from '../../websocket/response-head.ts'
import { isAccepted } from '../handshake.ts'
import type { Plan } from '../plan.ts'

/** An upstream that has answered, and the plan that led to it. */
export interface Reached<C> {
  readonly plan: Plan<C>
  readonly answered: Answered
}

/** Chooses the next plan after one failed with this code of the error table; `undefined` if there is none. */
export type NextPlan<C> = (plan: Plan<C>, code: string) => Plan<C> | undefined

/** Dials upstreams for handshakes, one after another, until one of them answers without being passed over. */
export class UpstreamDialler<C> {
  readonly #limits: DialLimits
  readonly #failover: NextPlan<C>
  readonly #dialling = new Set<Dialling>()
  #stopped = false

  constructor(limits: DialLimits, failover: NextPlan<C>) {
    this.#limits = limits
    this.#failover = failover
  }

  /** Number of unanswered handshakes. */
  get size(): number {
    return this.#dialling.size
  }

  /**
   * Sends a handshake to the planned upstream, and to the next ones if that fails.
   *
   * @throws an error of the error table: that of the last upstream, `WSO_ERR_DRAINING` after {@link stop}, or
   * `WSO_ERR_CLIENT_GONE`
   */
  async reach(first: Plan<C>, handshake: Buffer, client: Socket): Promise<Reached<C>> {
    for (let plan = first; ; ) {
      const result = await this.#attempt(plan, handshake, client)
      if ('answered' in result) return result
      plan = result.next
    }
  }

  /** Aborts all unanswered handshakes; from now on no upstream is passed over. */
  stop(): void {
    this.#stopped = true
    for (const attempt of this.#dialling) attempt.abort(serviceError('DRAINING'))
  }

  /** @returns the answer, or the plan to try next */
  async #attempt(plan: Plan<C>, handshake: Buffer, client: Socket): Promise<Reached<C> | { readonly next: Plan<C> }> {
    let answered: Answered
    try {
      answered = await this.#dial(plan, handshake, client)
    } catch (error) {
      const mayFailOver = !client.destroyed && !this.#stopped
      const next = mayFailOver ? this.#failover(plan, (error as ServiceError).code ?? '') : undefined
      if (!next) throw error
      return { next }
    }
    const refusal = isAccepted(answered.head) ? undefined : fieldOf(answered.head, ERROR_HEADER)
    const next = refusal === undefined ? undefined : this.#failover(plan, refusal)
    if (!next) return { plan, answered }
    answered.socket.destroy()
    return { next }
  }

  /** @throws if the upstream gives no usable answer, or the client leaves first */
  async #dial({ host, port }: Plan<C>, handshake: Buffer, client: Socket): Promise<Answered> {
    const attempt = dial(host, port, handshake, this.#limits)
    const abort = () => attempt.abort(serviceError('CLIENT_GONE'))
    client.on('close', abort)
    this.#dialling.add(attempt)
    try {
      return await attempt.answered
    } finally {
      this.#dialling.delete(attempt)
      client.off('close', abort)
    }
  }
}
