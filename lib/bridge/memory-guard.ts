import type { Socket } from 'node:net'
import type { Logger } from '../service/log/log.ts'
import type { MemoryAccount, MemoryBudget } from '../service/memory/budget.ts'
import type { MemoryReader } from '../service/memory/cgroup.ts'
import { Collector } from '../service/memory/collect.ts'
import {
  costPerByte,
  type Holder,
  isPouring,
  isTight,
  isWorthCollecting,
  lookAfterBytes,
  mostAfter,
  mostPouring,
  queueLimit,
  unaccountedBytes,
  usedAfter,
  worstHolders,
} from '../service/memory/policy.ts'
import { readSocketQueues, type SocketQueue, socketKey } from '../service/memory/socket-queues.ts'
import type { FlowMemory } from './bridge-options.ts'
import type { Side } from './socket/socket-handler.ts'

/** A connection, as the memory guard uses it. */
export interface Guarded {
  readonly state: 'open' | 'closing' | 'closed'
  /** Bytes of our memory held for it. */
  readonly heldBytes: number
  socket(side: Side): Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'>
  restrain(unsent: Readonly<Record<Side, number>>): void
  evict(inKernel: Readonly<Record<Side, number>>): void
}

export interface MemoryGuardOptions {
  readonly budget: MemoryBudget
  /** Queue limit of one connection while memory is not short. */
  readonly maxQueueBytes: number
  readonly connections: () => Iterable<Guarded>
  /** Number of processes that share the memory which `read` reports. */
  readonly processes: number
  readonly read: MemoryReader
  readonly readQueues?: () => ReadonlyMap<string, SocketQueue>
  readonly log: Pick<Logger, 'warn'>
}

/** A connection with the kernel memory of each of its sides. */
interface Held {
  readonly connection: Guarded
  readonly inKernel: Readonly<Record<Side, number>>
}

/** An open connection with the kernel queues of each of its sides. */
interface Open {
  readonly connection: Guarded
  readonly client: SocketQueue
  readonly upstream: SocketQueue
}

/** Interval between measurements while memory suffices, and shortest interval while it does not, in milliseconds. */
const LOOK_MS = 250
const TIGHT_LOOK_MS = 20
/**
 * Pause after an inspection of all connections, as a multiple of the inspection's duration (1 once the budget is full),
 * and its maximum in milliseconds.
 */
const PAUSES = 4
const MOST_PAUSE_MS = 100
/** Connections closed per turn of the event loop; closing hundreds at once would delay all other connections. */
const MOST_CLOSED = 64
/** Shortest time between two log lines, in milliseconds. */
const LOG_MS = 10_000

const NOTHING: Readonly<Record<Side, number>> = { client: 0, upstream: 0 }
const UNREADABLE: Readonly<Record<Side, number>> = {
  client: Number.POSITIVE_INFINITY,
  upstream: Number.POSITIVE_INFINITY,
}
const NO_QUEUE: SocketQueue = { unsent: 0, unread: 0 }

/**
 * Keeps the memory that a process uses for its connections within its budget. The queue limit of each connection
 * shrinks as the budget fills; when it is full, the connections that hold most are closed. Kernel memory of sockets is
 * measured at intervals, and again before enough bytes have passed to fill the remaining budget.
 */
export class MemoryGuard implements FlowMemory {
  queueLimit: number
  tight = false
  readonly queues: MemoryAccount
  readonly messages: MemoryAccount
  readonly #options: MemoryGuardOptions
  /**
   * Queue limit of one connection, reduced for some time after evictions, so that the others do not resume all at once.
   */
  #maxQueueBytes: number
  #timer: NodeJS.Timeout | undefined
  /** Set while connections are being closed for memory. */
  #evicting: NodeJS.Immediate | undefined
  /** Bytes passed since the last measurement, and the number after which the next one is due. */
  #passed = 0
  #lookAfter: number
  /** Connections are not inspected before this time (`performance.now()`). */
  #notBefore = 0
  /** Whether memory was full at the last inspection. If it has become full since, the next one does not wait. */
  #wasFull = false
  /** Resident memory at the start. */
  readonly #beginning = process.memoryUsage.rss()
  readonly #collector = new Collector()
  /** Rotates the clients that may be read while not all of them can be. */
  #turn = 0
  #evictions = 0
  #logged = Number.NEGATIVE_INFINITY

  constructor(options: MemoryGuardOptions) {
    this.#options = options
    this.queues = options.budget.accounts.queues
    this.messages = options.budget.accounts.messages
    this.queueLimit = options.maxQueueBytes
    this.#maxQueueBytes = options.maxQueueBytes
    this.#lookAfter = lookAfterBytes(0, options.budget.bytes)
    this.#lookIn(LOOK_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#evicting)
  }

  get isFull(): boolean {
    return this.#options.budget.isFull
  }

  passed(bytes: number): void {
    this.#passed += bytes
    if (this.tight) this.queueLimit = this.#limitAt(usedAfter(this.#options.budget.used, this.#passed))
    if (this.#passed >= this.#lookAfter) this.#look()
  }

  #limitAt(used: number): number {
    return queueLimit(used / this.#options.budget.bytes, this.#maxQueueBytes)
  }

  #lookIn(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), ms)
    this.#timer.unref()
  }

  #look(): void {
    this.#measure()
    const { budget } = this.#options
    this.queueLimit = this.#limitAt(budget.used)
    this.#lookAfter = lookAfterBytes(budget.used, budget.bytes)
    const wasTight = this.tight
    this.tight = isTight(budget.used, budget.accounts.sockets.bytes, budget.bytes)
    if (this.tight) this.#tryToTighten()
    else if (wasTight) this.#relax()
    this.#lookIn(this.tight ? Math.max(TIGHT_LOOK_MS, this.#notBefore - performance.now()) : LOOK_MS)
  }

  /**
   * Rate-limited, because an inspection of many connections takes long. Waits also until pending evictions are done.
   */
  #tryToTighten(): void {
    const began = performance.now()
    const { isFull } = this
    if (this.#evicting || (began < this.#notBefore && (this.#wasFull || !isFull))) return
    this.#wasFull = isFull
    this.#limitQueues(this.#maxQueueBytes)
    this.#tighten()
    const ended = performance.now()
    this.#notBefore = ended + Math.min(MOST_PAUSE_MS, (ended - began) * (isFull ? 1 : PAUSES))
  }

  /** Measures kernel memory, and counts memory that no account covers. */
  #measure(): void {
    this.#passed = 0
    const { budget, read, processes } = this.#options
    budget.accounts.sockets.set(Math.floor((read()?.sockets ?? 0) / processes))
    if (isWorthCollecting(this.#countRest(), budget.bytes) && this.#collector.tryToCollect()) this.#countRest()
  }

  /** Counts memory that no account covers; returns it. */
  #countRest(): number {
    const { budget } = this.#options
    const { sockets, unaccounted } = budget.accounts
    const accounted = budget.used - sockets.bytes - unaccounted.bytes
    unaccounted.set(unaccountedBytes(process.memoryUsage.rss() - this.#beginning, accounted))
    return unaccounted.bytes
  }

  /** @param before previous queue limit of a connection; `undefined` if connections are being closed now */
  #limitQueues(before?: number): void {
    const { budget, maxQueueBytes } = this.#options
    this.#maxQueueBytes = mostAfter(maxQueueBytes, before)
    this.queueLimit = this.#limitAt(budget.used)
  }

  #relax(): void {
    this.#limitQueues(Number.POSITIVE_INFINITY)
    for (const connection of this.#options.connections()) connection.restrain(NOTHING)
  }

  /** Stops reading sides whose peers do not read, and closes the worst connections if that was not enough. */
  #tighten(): void {
    const { budget, connections, readQueues = readSocketQueues } = this.#options
    const queues = readQueues()
    const open: Open[] = []
    for (const connection of connections()) {
      if (connection.state !== 'open') continue
      const client = queueOf(queues, connection.socket('client'))
      open.push({ connection, client, upstream: queueOf(queues, connection.socket('upstream')) })
    }
    this.#restrain(open)
    const holders = holdersOf(open, budget.accounts.sockets.bytes)
    const worst = worstHolders(holders, budget.used, budget.bytes)
    if (worst.length > 0) this.#evicted(worst.length, worst[0]?.bytes ?? 0)
    // Until they are closed, because a sender that is read sends more.
    for (const { of } of worst) of.connection.restrain(UNREADABLE)
    this.#evict(worst)
  }

  /**
   * Stops reading sides whose peers do not read. A client with unread bytes is read only when its upstream has taken
   * all earlier bytes, and only some such clients at a time: the kernel refills what is read, which we cannot prevent.
   */
  #restrain(open: readonly Open[]): void {
    const { budget } = this.#options
    const ready = open.filter(({ client, upstream }) => isPouring(client.unread) && upstream.unsent === 0)
    const first = this.#turn % Math.max(1, ready.length)
    const most = mostPouring(budget.used, budget.bytes)
    this.#turn = first + most
    const turn = new Set([...ready.slice(first), ...ready.slice(0, first)].slice(0, most))
    for (const one of open) {
      const { connection, client, upstream } = one
      const waits = isPouring(client.unread) && !turn.has(one)
      connection.restrain({ client: client.unsent, upstream: waits ? Number.POSITIVE_INFINITY : upstream.unsent })
    }
  }

  /** Closes connections, a limited number in each turn of the event loop. */
  #evict(worst: Holder<Held>[]): void {
    for (const { of } of worst.splice(0, MOST_CLOSED)) {
      if (of.connection.state === 'open') of.connection.evict(of.inKernel)
    }
    this.#evicting = worst.length > 0 ? setImmediate(() => this.#evict(worst)) : undefined
  }

  #evicted(connections: number, most: number): void {
    this.#limitQueues()
    this.#evictions += connections
    const now = performance.now()
    if (now < this.#logged + LOG_MS) return
    const { budget, log } = this.#options
    log.warn(
      { connections: this.#evictions, most, used: budget.used, budget: budget.bytes },
      'memory is full: connections that hold most of it are closed',
    )
    this.#logged = now
    this.#evictions = 0
  }
}

/** @param sockets kernel memory of all connections together */
function holdersOf(open: readonly Open[], sockets: number): Holder<Held>[] {
  const sum = ({ unsent, unread }: SocketQueue) => unsent + unread
  const inAll = open.reduce((all, { client, upstream }) => all + sum(client) + sum(upstream), 0)
  const cost = costPerByte(sockets, inAll)
  return open.map(({ connection, client, upstream }) => {
    const inKernel = { client: cost * sum(client), upstream: cost * sum(upstream) }
    const bytes = connection.heldBytes + inKernel.client + inKernel.upstream
    return { of: { connection, inKernel }, bytes, unread: cost * (client.unread + upstream.unread) }
  })
}

function queueOf(
  queues: ReadonlyMap<string, SocketQueue>,
  { localPort, remoteAddress, remotePort }: Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'>,
): SocketQueue {
  return queues.get(socketKey(localPort, remoteAddress, remotePort)) ?? NO_QUEUE
}
