import type { Side } from '../../lib/bridge/bridge.ts'
import type { RoutedMessage } from '../transport/transport.ts'
import type { Miss, Target } from './finder.ts'

/** A message on its way. Times are on the clock of `performance.now()`. */
export interface PendingMessage extends RoutedMessage {
  start: boolean
  readonly bytes: number
  /** How often it was sent with its sender's handshake because the other pod did not know that any more. */
  introductions: number
  /** Its place in its lane. */
  readonly order: number
  readonly since: number
  /** When it must have its outcome. */
  until: number
}

/** A message that came back undelivered, from where, and why. */
interface Returned {
  readonly pending: PendingMessage
  readonly target: Target
  readonly miss: Miss
}

/**
 * The way of messages from one sender to one recipient, which keeps their order: a message starts when the one before it has its
 * outcome, or follows it at once where the transport keeps the order and both go to the same member.
 */
export interface Lane {
  readonly recipient: string
  readonly number: number
  /** Messages there were. */
  count: number
  waiting: PendingMessage[]
  returned: Returned[]
  /** Messages that are under way, and their bytes. */
  moving: number
  movingBytes: number
  /** Where these go: a member's name. */
  towards: string
  /** Nothing starts before nothing is under way: something was not delivered. */
  stopped: boolean
  /** A message had no answer in time, and may still arrive. */
  unconfirmed: boolean
}

/** What one side of a connection has on its way. */
export interface Outbox {
  bytes: number
  held: boolean
  /** One lane a recipient. */
  readonly lanes: Map<string, Lane>
  /** Lanes whose messages may be under way, and those that wait for one of them to end. */
  started: number
  readonly unstarted: Set<Lane>
  /** Numbers of lanes that are at rest and doubtful: when they go on, they go on under their number. */
  readonly unconfirmed: Map<string, number>
}

export type Outboxes = Readonly<Record<Side, Outbox>> & {
  /** Who waits until nothing is under way. */
  readonly idle: (() => void)[]
}

/**
 * Most recipients to whom messages of one side of a connection are under way: each costs far more than its bytes, above all while
 * the recipient is searched for, and one read of a socket can bring thousands.
 */
const MAX_STARTED = 128

/** Most lanes at rest whose numbers one side of a connection remembers; the oldest go first. */
const MAX_DOUBTFUL = 1000

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

/** The lane to a recipient; a new one if there is nothing on its way to them. */
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

/** Starts the lane that waits for longest, if there is one and another may be started. */
export function startNext(outbox: Outbox): Lane | undefined {
  if (outbox.started >= MAX_STARTED) return undefined
  const [lane] = outbox.unstarted
  if (!lane) return undefined
  outbox.unstarted.delete(lane)
  outbox.started++
  return lane
}

/** A lane has nothing on its way any more. */
export function retire(outbox: Outbox, { recipient, number, unconfirmed }: Lane): void {
  outbox.lanes.delete(recipient)
  outbox.started--
  if (!unconfirmed) return
  outbox.unconfirmed.delete(recipient)
  outbox.unconfirmed.set(recipient, number)
  if (outbox.unconfirmed.size > MAX_DOUBTFUL)
    outbox.unconfirmed.delete(outbox.unconfirmed.keys().next().value as string)
}
