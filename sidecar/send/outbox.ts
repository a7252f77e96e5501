import type { Side } from '../../lib/bridge/bridge.ts'
import type { RoutedMessage } from '../transport/transport.ts'
import type { Miss, Target } from './finder.ts'

/** A message in progress. Times are on the clock of `performance.now()`. */
export interface PendingMessage extends RoutedMessage {
  start: boolean
  readonly bytes: number
  /** How often it was resent with its sender's handshake, because the other pod no longer knew the connection. */
  introductions: number
  /** Its position in its lane. */
  readonly order: number
  readonly since: number
  /** Time by which it must have its outcome. */
  until: number
}

/** A message that came back undelivered: its target, and the reason. */
interface Returned {
  readonly pending: PendingMessage
  readonly target: Target
  readonly miss: Miss
}

/**
 * The ordered stream of messages from one sender to one recipient: a message starts when the previous one has its
 * outcome, or right after it if the transport keeps the order and both go to the same member.
 */
export interface Lane {
  readonly recipient: string
  readonly number: number
  /** Number of messages ever queued. */
  count: number
  waiting: PendingMessage[]
  returned: Returned[]
  /** Number of messages in flight, and their bytes. */
  moving: number
  movingBytes: number
  /** Name of the member that the messages in flight go to. */
  towards: string
  /** After an undelivered message, nothing starts until no message is in flight. */
  stopped: boolean
  /** A message has timed out, and may still arrive. */
  unconfirmed: boolean
}

/** The messages of one side of a connection that are in progress. */
export interface Outbox {
  bytes: number
  held: boolean
  /** One lane per recipient. */
  readonly lanes: Map<string, Lane>
  /** Number of lanes that may have messages in flight, and the lanes that wait for one of them to end. */
  started: number
  readonly unstarted: Set<Lane>
  /** Numbers of idle lanes with a timed-out message: such a lane keeps its number when it is used again. */
  readonly unconfirmed: Map<string, number>
}

export type Outboxes = Readonly<Record<Side, Outbox>> & {
  /** Waiters for the moment when no message is in progress. */
  readonly idle: (() => void)[]
}

/**
 * Maximum number of recipients that one side of a connection sends to at a time: each costs far more than its bytes,
 * above all during a search, and one socket read can bring thousands.
 */
const MAX_STARTED = 128

/** Maximum number of idle lanes remembered per side of a connection; the oldest go first. */
const MAX_UNCONFIRMED = 1000

export function createOutboxes(): Outboxes {
  const empty = (): Outbox => ({
    bytes: 0,
    held: false,
    lanes: new Map(),
    started: 0,
    unstarted: new Set(),
    unconfirmed: new Map(),
  })
  return { client: empty(), upstream: empty(), idle: [] }
}

/** The lane to a recipient; a new one if no message to them is in progress. */
export function laneTo(outbox: Outbox, recipient: string, nextNumber: () => number): Lane {
  const known = outbox.lanes.get(recipient)
  if (known) return known
  const lane: Lane = {
    recipient,
    number: outbox.unconfirmed.get(recipient) ?? nextNumber(),
    count: 0,
    waiting: [],
    returned: [],
    moving: 0,
    movingBytes: 0,
    towards: '',
    stopped: false,
    unconfirmed: false,
  }
  outbox.lanes.set(recipient, lane)
  outbox.unstarted.add(lane)
  return lane
}

/** Starts the lane that has waited longest, if any, and if the limit allows it. */
export function startNext(outbox: Outbox): Lane | undefined {
  if (outbox.started >= MAX_STARTED) return undefined
  const [lane] = outbox.unstarted
  if (!lane) return undefined
  outbox.unstarted.delete(lane)
  outbox.started++
  return lane
}

/** Removes a lane that has no message in progress. */
export function retire(outbox: Outbox, { recipient, number, unconfirmed }: Lane): void {
  outbox.lanes.delete(recipient)
  outbox.started--
  if (!unconfirmed) return
  outbox.unconfirmed.delete(recipient)
  outbox.unconfirmed.set(recipient, number)
  if (outbox.unconfirmed.size > MAX_UNCONFIRMED)
    outbox.unconfirmed.delete(outbox.unconfirmed.keys().next().value as string)
}
