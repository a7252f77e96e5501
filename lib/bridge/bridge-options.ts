import type { MemoryAccount } from '../service/memory/budget.ts'
import type { AddressFinder, Unparsed } from '../websocket/addressing/address-finder.ts'
import type { FirstMessage } from '../websocket/first-message.ts'
import type { Direction, Message } from '../websocket/message.ts'
import type { WholeMessages } from './pipe/partial-message.ts'
import type { Side } from './socket/socket-handler.ts'

/**
 * `open`: messages pass both ways. `closing`: one side has said that it ends, or we have told both; what still comes is carried
 * over. `closed`: both sockets are gone.
 */
export type BridgeState = 'open' | 'closing' | 'closed'

/** What a bridge is given; `B` is the bridge. */
export interface OptionsOf<B> {
  /** Bytes that may wait for a slow reader before the other side is no longer read; fewer while {@link memory} is short. */
  readonly maxQueueBytes: number
  readonly memory: FlowMemory
  /** Largest message; a larger one closes both sides with 1009. */
  readonly maxMessageBytes: number
  /** Counts the sweeps; shared by all connections, so that what is seen needs no clock. */
  readonly clock: { readonly now: number }
  /** In sweeps, 0 for never: when a side gets a ping, and when it is given up; and how long a queue may stay full. */
  readonly pingAfter: Readonly<Record<Side, number>>
  readonly idleAfter: Readonly<Record<Side, number>>
  readonly slowAfter: number
  /** Finds addressed messages, in the directions that have any. */
  readonly find?: Readonly<Partial<Record<Direction, AddressFinder>>>
  /** The directions in which nothing of a message passes before all of it has come, within limits. */
  readonly whole?: Readonly<Partial<Record<Direction, WholeMessages>>>
  /** Sweeps for which a message may be held, 0 for any number. */
  readonly holdFor?: number
  /** Whether a message to this recipient is taken out of the stream; then it goes to `onAddressed`. */
  takes?(bridge: B, direction: Direction, recipient: string): boolean
  onAddressed?(bridge: B, direction: Direction, recipient: string, message: Message): void
  /** A message that may be addressed has passed without having been looked at to its end. */
  onUnparsed?(bridge: B, direction: Direction, why: Unparsed): void
  /** A control ping of the side that knows this connection's secret. */
  onControl?(bridge: B, payload: Buffer): void
  /**
   * The upstream has ended, by itself. `true` keeps that from the client: the connection waits for `handOver`, or for `giveUp`.
   */
  onLost?(bridge: B, loss: Loss): boolean
  /** Called once, when both sockets are gone. */
  onClosed?(bridge: B, end: BridgeEnd): void
}

/** What a connection has to do with the memory budget of the process. */
export interface FlowMemory {
  /** Bytes that one connection may queue now before its fast side is no longer read. */
  readonly queueLimit: number
  /** Whether it is short: then what passes counts as queued until the kernel is asked again (`Bridge.restrain`). */
  readonly tight: boolean
  /** Nothing more may be taken for now. */
  readonly isFull: boolean
  readonly queues: Pick<MemoryAccount, 'change'>
  /** Of addressed messages that are on their way. */
  readonly messages: Pick<MemoryAccount, 'change'>
  /** So many bytes have been read and written, and may be in the kernel now. May close connections. */
  passed(bytes: number): void
}

/** Who or what ended a connection: one of its sides, or we, and why. */
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

/** How an upstream ended: with this close code, or without a close frame (1006). */
export interface Loss {
  readonly code: number
  /** The client has a part of a message, which no other upstream can complete. */
  readonly midMessage: boolean
}

/** What one connection has that others need not have. */
export interface Extras {
  /** By the side that sends them: pings that begin with it are control pings. */
  readonly secret?: Readonly<Partial<Record<Side, Buffer>>>
  /** Records what the client introduces itself with. */
  readonly first?: FirstMessage
}

/** What `send` did: the bytes are with the kernel, the side's queue is full, or the connection has ended. */
export type SendResult = 'sent' | 'full' | 'closed'
