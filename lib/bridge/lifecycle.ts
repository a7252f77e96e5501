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

/** Sweeps for what is left when one side has ended, or when we have closed both. */
const CLOSE_SWEEPS = 10

/** The state of one bridge, which its parts share. They report events; tasks that wait for a change are woken. */
export class Lifecycle {
  #life: State = OPEN
  /** Sweep in which what is left is cut off. */
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

  /** Whether we have ended the connection: then each side answers us, not the other one. */
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

  /** Whether an end of the upstream can still be kept from the client. */
  get mayOrphan(): boolean {
    return this.#life.is === 'open'
  }

  upstreamLost(loss: UpstreamLoss): void {
    this.#life = upstreamLost(this.#life, loss)
  }

  upstreamReplaced(): void {
    this.#life = upstreamReplaced(this.#life)
  }

  /** Returns how the upstream has ended, if the client is now to learn it. */
  reveal(): UpstreamLoss | undefined {
    const { loss } = this
    this.#life = reveal(this.#life)
    return loss
  }

  /** Only the first end counts. */
  finish(end: BridgeEnd): void {
    this.#life = finish(this.#life, end)
    this.wakeUp()
  }

  /** The socket of a side is gone, after {@link finish}. */
  socketGone(): void {
    this.#life = socketGone(this.#life)
  }

  /** From here on the rest has a time limit. */
  hurry(): void {
    this.#deadline = Math.min(this.#deadline, this.#clock.now + CLOSE_SWEEPS)
  }

  get isOverdue(): boolean {
    return this.#clock.now >= this.#deadline
  }

  /** Something has changed that a task may wait for. */
  wakeUp(): void {
    this.#waits.wakeUp()
  }

  /** Resolves when a condition holds, when the connection has ended, or when the time is up. */
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

  /** The owner of the connection knows that both sockets are gone. */
  resolveClosed(): void {
    for (const resolve of this.#closeWaiters ?? []) resolve()
  }
}
