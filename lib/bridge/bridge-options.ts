import type { MemoryAccount } from '../service/memory/budget.ts'
import type { AddressFinder, Unparsed } from '../websocket/addressing/address-finder.ts'
import type { FirstMessage } from '../websocket/first-message.ts'
import type { Direction, Message } from '../websocket/message.ts'
import type { WholeMessages } from './pipe/partial-message.ts'
import type { Side } from './socket/socket-handler.ts'

/**
 * `open`: messages pass both ways. `closing`: one side has ended or we have closed both; remaining bytes still pass.
 * `closed`: both sockets are gone.
 */
export type BridgeState = 'open' | 'closing' | 'closed'

/** Options of a bridge; `B` is the bridge type. */
export interface OptionsOf<B> {
  /**
   * Bytes that may wait for a slow reader before we stop reading the other side; fewer while {@link memory} is short.
   */
  readonly maxQueueBytes: number
  readonly memory: FlowMemory
  /** Size limit of a message in bytes; a larger message closes both sides with 1009. */
  readonly maxMessageBytes: number
  /** Counts sweeps. All connections share it, so that recording activity needs no system clock. */
  readonly clock: { readonly now: number }
  /**
   * In sweeps, 0 for never: idle time before a ping, idle time before a side is closed, and how long a queue may stay
   * full.
   */
  readonly pingAfter: Readonly<Record<Side, number>>
  readonly idleAfter: Readonly<Record<Side, number>>
  readonly slowAfter: number
  /** Finds addressed messages, in the directions that carry them. */
  readonly find?: Readonly<Partial<Record<Direction, AddressFinder>>>
  /** Directions in which messages pass only when complete, within limits. */
  readonly whole?: Readonly<Partial<Record<Direction, WholeMessages>>>
  /** Sweeps for which a message may be held; 0 for no limit. */
  readonly holdFor?: number
  /** Whether a message to this recipient leaves the stream and goes to `onAddressed`. */
  takes?(bridge: B, direction: Direction, recipient: string): boolean
  onAddressed?(bridge: B, direction: Direction, recipient: string, message: Message): void
  /** A message that may be addressed has passed without being fully parsed. */
  onUnparsed?(bridge: B, direction: Direction, why: Unparsed): void
  /** A control ping from the side that knows this connection's secret. */
  onControl?(bridge: B, payload: Buffer): void
  /**
   * The upstream has ended by itself. `true` hides that from the client: the connection waits for `handOver` or
   * `giveUp`.
   */
  onLost?(bridge: B, loss: Loss): boolean
  /** Called once, when both sockets are gone. */
  onClosed?(bridge: B, end: BridgeEnd): void
}

/** The memory budget of the process, as one connection uses it. */
export interface FlowMemory {
  /** Bytes that one connection may queue now before we stop reading its fast side. */
  readonly queueLimit: number
  /** Memory is short: passed bytes count as queued until the kernel queues are measured again (`Bridge.restrain`). */
  readonly tight: boolean
  /** No more memory may be taken for now. */
  readonly isFull: boolean
  readonly queues: Pick<MemoryAccount, 'change'>
  /** Memory of addressed messages in flight. */
  readonly messages: Pick<MemoryAccount, 'change'>
  /** Reports bytes that were read and written, and that the kernel may hold now. May close connections. */
  passed(bytes: number): void
}

/** Why a connection ended: one of its sides, or our own reason for closing it. */
export type EndCause =
  | Side
  | 'shutdown'
  | 'rehome'
  | 'idle'
  | 'slow_consumer'
  | 'slow_message'
  | 'no_room'
  | 'memory'
  | 'too_big'
  | 'terminated'

/** How a bridged connection ended, with its close code and reason (RFC 6455 §7.1.5; 1005 and 1006 as there). */
export interface BridgeEnd {
  readonly cause: EndCause
  readonly code: number
  readonly reason: string
}

/** How an upstream ended: with a close code, or without a close frame (1006). */
export interface Loss {
  readonly code: number
  /** The client has received part of a message, which no other upstream can complete. */
  readonly midMessage: boolean
}

/** Optional per-connection settings. */
export interface Extras {
  /** Secret per sending side: pings that begin with it are control pings. */
  readonly secret?: Readonly<Partial<Record<Side, Buffer>>>
  /** Records the client's first message. */
  readonly first?: FirstMessage
}

/** Result of `send`: the kernel has the bytes, the side's queue is full, or the connection has ended. */
export type SendResult = 'sent' | 'full' | 'closed'
