import type { BridgeEnd, BridgeState } from './bridge-options.ts'
import { ConditionWaiters } from './condition-waiters.ts'
import {
  endOf,
  finish,
  lossOf,
  OPEN,
  reveal,
  type State,
  socketGone,
  stateOf,
  type UpstreamLoss,
  upstreamLost,
  upstreamReplaced,
} from './state.ts'

/** Sweeps before a connection is cut off once one side has ended or we have closed both. */
const CLOSE_SWEEPS = 10

/** State of one bridge, shared by its parts. The parts report events; tasks that wait for a change are woken. */
export class Lifecycle {
  #life: State = OPEN
  /** The sweep in which the remaining sockets are destroyed. */
  #deadline = Number.POSITIVE_INFINITY
  #closeWaiters: (() => void)[] | undefined
  readonly #waits = new ConditionWaiters()
  readonly #clock: { readonly now: number }

  constructor(clock: { readonly now: number }) {
    this.#clock = clock
  }

  get state(): BridgeState {
    return stateOf(this.#life)
  }

  get end(): BridgeEnd | undefined {
    return endOf(this.#life)
  }

  get isEnded(): boolean {
    return this.end !== undefined
  }

  /** Whether we have closed the connection: then each side answers us instead of the other side. */
  get isClosing(): boolean {
    return this.#life.is === 'closing'
  }

  get isClosed(): boolean {
    return this.#life.is === 'closed'
  }

  /** How the upstream has ended, while the client does not know. */
  get loss(): UpstreamLoss | undefined {
    return lossOf(this.#life)
  }

  get isOrphaned(): boolean {
    return this.#life.is === 'orphaned'
  }

  /** Whether an end of the upstream can still be hidden from the client. */
  get mayOrphan(): boolean {
    return this.#life.is === 'open'
  }

  upstreamLost(loss: UpstreamLoss): void {
    this.#life = upstreamLost(this.#life, loss)
  }

  upstreamReplaced(): void {
    this.#life = upstreamReplaced(this.#life)
  }

  /** Makes a hidden loss visible to the client. Returns how the upstream has ended, if a loss was hidden. */
  reveal(): UpstreamLoss | undefined {
    const { loss } = this
    this.#life = reveal(this.#life)
    return loss
  }

  /** The first end wins. */
  finish(end: BridgeEnd): void {
    this.#life = finish(this.#life, end)
    this.wakeUp()
  }

  /** The socket of a side is gone; called after {@link finish}. */
  socketGone(): void {
    this.#life = socketGone(this.#life)
  }

  /** Sets a time limit for the rest of the connection. */
  hurry(): void {
    this.#deadline = Math.min(this.#deadline, this.#clock.now + CLOSE_SWEEPS)
  }

  get isOverdue(): boolean {
    return this.#clock.now >= this.#deadline
  }

  /** The state has changed in a way that a task may wait for. */
  wakeUp(): void {
    this.#waits.wakeUp()
  }

  /** Resolves when a condition holds, when the connection has ended, or on timeout. */
  until(condition: () => boolean, timeoutMs: number): Promise<void> {
    return this.#waits.until(() => condition() || this.isEnded, timeoutMs)
  }

  /** Resolves when both sockets are gone. */
  get closed(): Promise<void> {
    if (this.isClosed) return Promise.resolve()
    return new Promise(resolve => {
      this.#closeWaiters ??= []
      this.#closeWaiters.push(resolve)
    })
  }

  /** Resolves {@link closed}, after the owner has been told that both sockets are gone. */
  resolveClosed(): void {
    for (const resolve of this.#closeWaiters ?? []) resolve()
  }
}
