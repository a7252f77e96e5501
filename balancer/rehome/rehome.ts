import { setTimeout as sleep } from 'node:timers/promises'
import { closeUpstream, lingerClose } from '../../lib/bridge/socket/closing.ts'
import { type Answered, type DialLimits, dial } from '../../lib/bridge/socket/dial.ts'
import { isAccepted, withField } from '../../lib/proxy/handshake.ts'
import { confirmedUser } from '../../lib/proxy/handshake-user.ts'
import { encodeControlPing } from '../../lib/rehome/control-pings.ts'
import type { Member } from '../../lib/routing/members.ts'
import { ERRORS } from '../../lib/service/http/errors.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import { ERROR_HEADER, PENDING_CLIENT_HEADER } from '../../lib/service/names.ts'
import { fieldOf, type ResponseHead } from '../../lib/websocket/response-head.ts'
import type { LiveMembers } from '../placement/live-members.ts'
import type { Connection, Placement } from '../placement/placement.ts'
import type { Reason, Result } from './rehome-metrics.ts'

export interface RehomeOptions {
  readonly members: LiveMembers
  /** Secret of the control pings. */
  readonly secret: Buffer
  readonly dialLimits: DialLimits
  /** Time limit for all attempts together, in milliseconds; for an orphan, counted from its loss. */
  readonly timeoutMs: number
  /** How long the old upstream may still answer, in milliseconds. */
  readonly lingerMs: number
  readonly log: Logger
}

/**
 * Minimum time for one member to take a handshake, in milliseconds, and its share of the total: other members remain.
 */
const ATTEMPT_MS = 3000
const ATTEMPT_PART = 0.3

/**
 * Time limit for one member to answer the handshake of a moved client; it is longer if the operator of a slow app has
 * raised both limits.
 *
 * @param handshakeMs longest time for an upstream to answer a handshake
 * @param timeoutMs longest time for all attempts together
 * @returns milliseconds
 */
export const attemptMs = (handshakeMs: number, timeoutMs: number): number =>
  Math.min(handshakeMs, Math.max(ATTEMPT_MS, timeoutMs * ATTEMPT_PART))

/** Time limit for the old upstream to confirm that it has answered everything, in milliseconds. */
const FENCE_MS = 5000

/** Time limit for both streams to reach a message boundary, in milliseconds. */
const BOUNDARY_MS = 5000

/** Pause after all members have refused, in milliseconds; it doubles each time. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 800

/** Outcome of one attempt: final, or try the next member, or no member can take the client now. */
type Attempt = Result | 'next' | 'busy'

/**
 * Gives a connection another upstream: the owner of its key, or the next member that takes it. An orphan cannot stay as
 * it is, so all members are asked again until the time is up, including the old one: its app may have restarted.
 */
export class Rehome {
  readonly #options: RehomeOptions

  constructor(options: RehomeOptions) {
    this.#options = options
  }

  /**
   * Never throws. The connection is unchanged, moved, or gone; the caller decides what to do with a remaining orphan.
   */
  async move(connection: Connection, reason: Reason): Promise<Result> {
    const { timeoutMs } = this.#options
    const { context } = connection
    const begun = performance.now()
    // Evaluated on each call, since the connection may become an orphan meanwhile. Never negative, since timers use it.
    const left = () => Math.max(0, (connection.orphaned ? context.lostAt : begun) + timeoutMs - performance.now())
    const tried = new Set<string>(reason === 'rebalance' ? [] : [context.member])
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      const result = await this.#tryMembers(connection, reason, tried, left)
      if (result) return result
      // Members that refused may be ready by then, and waiting connections must cost little.
      await sleep(Math.min(left(), pauseMs * (0.5 + Math.random() / 2)))
      tried.clear()
      if (!connection.orphaned && reason !== 'rebalance') tried.add(context.member)
    }
  }

  /**
   * Tries one member after another, and adds each to `tried`.
   *
   * @returns `undefined` if no member can take the client now
   */
  async #tryMembers(
    connection: Connection,
    reason: Reason,
    tried: Set<string>,
    left: () => number,
  ): Promise<Result | undefined> {
    const { context } = connection
    let attempt: Attempt = 'next'
    while (attempt === 'next') {
      if (connection.state !== 'open') return 'gone'
      if (left() === 0) return 'timeout'
      // This wait precedes the dial, so that an app does not hold a connection long before it hears from the client.
      if (!(await connection.whenRetired(left()))) continue
      const target = this.#options.members.choose(context.key, tried)
      if (!target) return undefined
      if (target.name === context.member && !connection.orphaned) return 'stayed'
      tried.add(target.name)
      attempt = await this.#attempt(connection, target, reason, left)
    }
    if (attempt !== 'busy') return attempt
    // The current upstream serves it well; the caller tries again.
    return reason === 'rebalance' && !connection.orphaned ? 'stayed' : undefined
  }

  async #attempt(connection: Connection, target: Member, reason: Reason, left: () => number): Promise<Attempt> {
    const { members, secret, dialLimits, timeoutMs, lingerMs, log } = this.#options
    const { context } = connection
    let answered: Answered
    try {
      const handshakeTimeoutMs = Math.max(1, Math.min(attemptMs(dialLimits.handshakeTimeoutMs, timeoutMs), left()))
      const limits = { ...dialLimits, handshakeTimeoutMs }
      answered = await dial(target.host, target.port, asPending(context.handshake), limits).answered
    } catch (error) {
      // A slow app says nothing about its pod; neither does a pod that was given almost no time.
      if ((error as { code?: string }).code === ERRORS.UPSTREAM_UNREACHABLE.code && left() > 0)
        members.suspect(target.name)
      return 'next'
    }
    const verdict = judge(answered.head, context)
    if (verdict !== 'good') {
      if (isAccepted(answered.head)) closeUpstream(answered.socket)
      else lingerClose(answered.socket)
      if (verdict !== 'unavailable') return verdict
      const code = fieldOf(answered.head, ERROR_HEADER)
      if (code === ERRORS.DRAINING.code || code === ERRORS.WRONG_TARGET.code) members.markDraining(target.name)
      else if (code === ERRORS.UPSTREAM_UNREACHABLE.code) members.suspect(target.name)
      return 'next'
    }
    const result = await connection.handOver(answered, {
      movePing: encodeControlPing(secret, { type: 'move', member: target.name }),
      stayPing: encodeControlPing(secret, { type: 'stay' }),
      takePing: encodeControlPing(secret, { type: 'take' }),
      fenceMs: FENCE_MS,
      boundaryMs: connection.orphaned ? Math.min(BOUNDARY_MS, left()) : BOUNDARY_MS,
      lingerMs,
    })
    if (result === 'failed') return 'next'
    if (result !== 'moved') return result
    log.debug({ user: context.user, from: context.member, to: target.name, reason }, 'moved')
    context.member = target.name
    // The flag was about the previous upstream.
    context.endedByApp = false
    return 'moved'
  }
}

/** The client's handshake, for a member that may not count on the client yet. */
const asPending = (handshake: Buffer): Buffer => withField(handshake, PENDING_CLIENT_HEADER, 'true')

/** Statuses of an app that may accept the same handshake later (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4). */
const TEMPORARY: ReadonlySet<number> = new Set([408, 425, 429])

/** Codes of our refusals that are caused by what app and client report about the user. */
const ABOUT_THE_USER: ReadonlySet<string> = new Set([ERRORS.BAD_USER.code, ERRORS.AMBIGUOUS_USER.code])

/** Whether every member would refuse the same handshake, now and later. */
function isFinal(head: ResponseHead): boolean {
  const code = fieldOf(head, ERROR_HEADER)
  return code === undefined ? head.status < 500 && !TEMPORARY.has(head.status) : ABOUT_THE_USER.has(code)
}

/**
 * Whether another upstream's response matches the first one's. A refusal by ws-operator says nothing about the app; a
 * refusal by the app is meant for the client, but can no longer reach it.
 */
function judge(
  head: ResponseHead,
  { protocol, claimed, user }: Placement,
): 'good' | 'unavailable' | 'refused' | 'differs' {
  if (!isAccepted(head)) return isFinal(head) ? 'refused' : 'unavailable'
  const same =
    fieldOf(head, 'sec-websocket-protocol') === protocol &&
    fieldOf(head, 'sec-websocket-extensions') === undefined &&
    isUser(head, claimed, user)
  return same ? 'good' : 'differs'
}

/** Whether the app identifies the client as the same user as the previous app did. */
function isUser(head: ResponseHead, claimed: string | undefined, user: string | undefined): boolean {
  try {
    return (confirmedUser(head) ?? claimed) === user
  } catch {
    return false
  }
}
