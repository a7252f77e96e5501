import type { Socket } from 'node:net'
import { Bridge, type BridgeEnd, type BridgeOptions, type FlowMemory } from '../../bridge/bridge.ts'
import { type Guarded, MemoryGuard } from '../../bridge/memory-guard.ts'
import type { Answered } from '../../bridge/socket/dial.ts'
import type { SocketReads } from '../../bridge/socket/socket-reads.ts'
import type { MemoryBudget } from '../../service/memory/budget.ts'
import { memoryReader } from '../../service/memory/cgroup.ts'
import { SharedByteAllowance } from '../../websocket/byte-allowance.ts'
import { CLOSE } from '../../websocket/close-codes.ts'
import type { Plan } from '../plan.ts'
import type { BridgeHooks, ProxyOptions } from '../proxy-options.ts'
import type { WireConfig } from '../proxy-settings.ts'

const RESTART_REASON = 'service restart'

/** Share of the memory budget for incomplete messages of upstreams. */
const PARTIAL_SHARE = 1 / 8

/** Bridges count their limits in sweeps of one second. */
const SWEEP_INTERVAL_MS = 1000

export interface OpenBridgesOptions<C> extends Pick<ProxyOptions<C>, 'config' | 'log'> {
  readonly hooks: BridgeHooks<C>
  readonly memory: MemoryBudget
  /** Number of processes that share the container's memory. */
  readonly processes: number
  /** Whether upstream messages reach the client only when complete, within limits. */
  readonly wholeMessages: boolean
  readonly reads: SocketReads
  /** Connections without a bridge that use the same memory. */
  others(): Iterable<Guarded>
  onClosed(bridge: Bridge<C>, end: BridgeEnd): void
}

/** All bridges of a process, with one timer and one memory guard. */
export class OpenBridges<C> {
  readonly #all = new Set<Bridge<C>>()
  readonly #clock = { now: 0 }
  readonly #reads: SocketReads
  readonly #options: BridgeOptions<C>
  readonly #guard: MemoryGuard
  readonly #sweeping: NodeJS.Timeout

  constructor(options: OpenBridgesOptions<C>) {
    const { config, hooks, memory, log, processes, wholeMessages } = options
    this.#reads = options.reads
    this.#guard = new MemoryGuard({
      budget: memory,
      maxQueueBytes: config.MAX_QUEUE_BYTES,
      connections: () => this.#guarded(options),
      processes,
      read: memoryReader(),
      log,
    })
    this.#options = {
      ...limitsOf(config),
      ...boundHooks(hooks),
      ...(wholeMessages && { whole: { outbound: partialLimits(config, memory) } }),
      memory: this.#guard,
      clock: this.#clock,
      onClosed: (bridge, end) => {
        this.#all.delete(bridge)
        options.onClosed(bridge, end)
      },
    }
    this.#sweeping = setInterval(() => this.#sweep(), SWEEP_INTERVAL_MS)
  }

  get all(): ReadonlySet<Bridge<C>> {
    return this.#all
  }

  /**
   * Joins a client to the upstream that accepted it; no bytes pass before the bridge is started.
   *
   * @param head bytes that the client sent after its handshake
   * @param answer response head that accepts the client
   */
  join(client: Socket, head: Buffer, { socket, rest }: Answered, answer: Buffer, plan: Plan<C>): Bridge<C> {
    const read = this.#reads.lend(client)
    const early = { client: read ? Buffer.concat([head, read]) : head, upstream: rest }
    const bridge = new Bridge(client, socket, early, answer, this.#options, plan.context, plan.extras)
    this.#all.add(bridge)
    return bridge
  }

  /** The memory budget of the process, for connections without a bridge. */
  get memory(): FlowMemory {
    return this.#guard
  }

  /** Closes every client with 1012. */
  closeAll(): void {
    for (const bridge of this.#all) bridge.close('shutdown', CLOSE.SERVICE_RESTART, RESTART_REASON)
  }

  terminateAll(): void {
    for (const bridge of this.#all) bridge.terminate()
  }

  /** Resolves when all bridges that are open now have closed. */
  async closed(): Promise<void> {
    await Promise.all(Array.from(this.#all, bridge => bridge.closed))
  }

  /** Stops the timers; open bridges keep passing bytes. */
  stop(): void {
    clearInterval(this.#sweeping)
    this.#guard.stop()
  }

  *#guarded({ others }: Pick<OpenBridgesOptions<C>, 'others'>): Generator<Guarded> {
    yield* this.#all
    yield* others()
  }

  #sweep(): void {
    this.#clock.now++
    for (const bridge of this.#all) bridge.sweep()
  }
}

const limitsOf = (config: WireConfig) => ({
  maxQueueBytes: config.MAX_QUEUE_BYTES,
  maxMessageBytes: config.MAX_PAYLOAD_BYTES,
  pingAfter: { client: config.CLIENT_PING_SECONDS, upstream: config.UPSTREAM_PING_SECONDS },
  idleAfter: { client: config.CLIENT_IDLE_SECONDS, upstream: config.UPSTREAM_IDLE_SECONDS },
  slowAfter: config.SLOW_CONSUMER_SECONDS,
})

const partialLimits = (config: WireConfig, memory: MemoryBudget) => ({
  maxBytes: config.MAX_QUEUE_BYTES,
  room: new SharedByteAllowance(memory.bytes * PARTIAL_SHARE, memory.accounts.held),
})

/** Binds the program's hooks. Absent hooks stay absent, because a bridge checks which ones exist. */
function boundHooks<C>(hooks: BridgeHooks<C>): BridgeHooks<C> {
  const { find, holdFor } = hooks
  return {
    ...(find && { find }),
    ...(holdFor && { holdFor }),
    ...(hooks.onUnparsed && { onUnparsed: hooks.onUnparsed.bind(hooks) }),
    ...(hooks.takes && { takes: hooks.takes.bind(hooks) }),
    ...(hooks.onAddressed && { onAddressed: hooks.onAddressed.bind(hooks) }),
    ...(hooks.onControl && { onControl: hooks.onControl.bind(hooks) }),
    ...(hooks.onLost && { onLost: hooks.onLost.bind(hooks) }),
  }
}
