import { setTimeout as sleep } from 'node:timers/promises'
import { closeUpstream, lingerClose } from '../../lib/bridge/socket/closing.ts'
import { type Answered, type DialLimits, dial } from '../../lib/bridge/socket/dial.ts'
import { isAccepted, withField } from '../../lib/proxy/handshake.ts'
import { confirmedUser } from '../../lib/proxy/handshake-user.ts'
import { encodeControlPing } from '../../lib/rehome/control-pings.ts'
import type { Member } from '../../lib/routing/members.ts'
import { ERRORS } from '../../lib/service/http/errors.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import { ARRIVING_HEADER, ERROR_HEADER } from '../../lib/service/names.ts'
import { fieldOf, type ResponseHead } from '../../lib/websocket/response-head.ts'
import type { LiveMembers } from '../placement/live-members.ts'
import type { Connection, Placement } from '../placement/placement.ts'
import type { Reason, Result } from './rehome-metrics.ts'

export interface RehomeOptions {
  readonly members: LiveMembers
  /** Of the control pings. */
  readonly secret: Buffer
  readonly dialLimits: DialLimits
  /** Longest time for all attempts together, and for an orphan from its loss on, in milliseconds. */
  readonly timeoutMs: number
  /** How long the old upstream may still answer, in milliseconds. */
  readonly lingerMs: number
  readonly log: Logger
}

/** Least time that one member has to take a handshake, in milliseconds, and its part of the time for all: there are others. */
const ATTEMPT_MS = 3000
const ATTEMPT_PART = 0.3

/**
 * How long one member may take for the handshake of a client that is moved: more where the owner of a slow app has raised both times.
 *
 * @param handshakeMs longest time for an upstream to answer a handshake
 * @param timeoutMs longest time for all attempts together
 * @returns milliseconds
 */
export const attemptMs = (handshakeMs: number, timeoutMs: number): number =>
  Math.min(handshakeMs, Math.max(ATTEMPT_MS, timeoutMs * ATTEMPT_PART))

/** Longest time for the old upstream to say that it has answered all, in milliseconds. */
const FENCE_MS = 5000

/** Longest time for both streams to come to a place between two messages, in milliseconds. */
const BOUNDARY_MS = 5000

/** Pause after all members have refused; it doubles. In milliseconds. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 800

/** What one attempt came to: an end, or a reason to try the next member, or that no member can have the client just now. */
type Attempt = Result | 'next' | 'busy'

/**
 * Gives a connection another upstream: the member that the key belongs to now, or the next one that takes it. An orphan may not stay
 * as it is, so every member is asked again and again until the time is up; its own old member too, for an app that was started
 * again is as good as any.
 */
export class Rehome {
  readonly #options: RehomeOptions

  constructor(options: RehomeOptions) {
    this.#options = options
  }

  /** Never throws. The connection is as it was, or moved, or gone; what is to become of an orphan that is left is the caller's. */
  async move(connection: Connection, reason: Reason): Promise<Result> {
    const { members, timeoutMs } = this.#options
    const { context } = connection
    const begun = performance.now()
    // Asked each time: it may become an orphan on the way. Never negative, for there are timers that are set to it.
    const left = () => Math.max(0, (connection.orphaned ? context.lostAt : begun) + timeoutMs - performance.now())
    const tried = new Set<string>(reason === 'rebalance' ? [] : [context.member])
    for (let pauseMs = FIRST_PAUSE_MS; ; ) {
      if (connection.state !== 'open') return 'gone'
      if (left() === 0) return 'timeout'
      // Before anybody is dialled: an app should not have the client long before it hears of it.
      if (!(await connection.whenRetired(left()))) continue
      const target = members.choose(context.key, tried)
      if (target && target.name === context.member && !connection.orphaned) return 'stayed'
      if (target) {
        tried.add(target.name)
        const result = await this.#attempt(connection, target, reason, left)
        if (result === 'next') continue
        if (result !== 'busy') return result
        // It stays where it is well served; the caller tries again.
        if (reason === 'rebalance' && !connection.orphaned) return 'stayed'
      }
      // Whoever refused may be ready by then; and who waits here must not be a burden.
      await sleep(Math.min(left(), pauseMs * (0.5 + Math.random() / 2)))
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
      tried.clear()
      if (!connection.orphaned && reason !== 'rebalance') tried.add(context.member)
    }
  }

  async #attempt(connection: Connection, target: Member, reason: Reason, left: () => number): Promise<Attempt> {
    const { members, secret, dialLimits, timeoutMs, lingerMs, log } = this.#options
    const { context } = connection
    let answered: Answered
    try {
      const handshakeTimeoutMs = Math.max(1, Math.min(attemptMs(dialLimits.handshakeTimeoutMs, timeoutMs), left()))
      const limits = { ...dialLimits, handshakeTimeoutMs }
      answered = await dial(target.host, target.port, arriving(context.handshake), limits).answered
    } catch (error) {
      // An app that takes its time says nothing about its pod; nor does a pod that was given next to none.
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
    // That was about the upstream before.
    context.endedByApp = false
    return 'moved'
  }
}

/** The client's handshake, for a member that may not count on the client yet. */
const arriving = (handshake: Buffer): Buffer => withField(handshake, ARRIVING_HEADER, 'true')

/** What a refusal says that is the app's own, or comes of what app and client say about the user: it would be the same elsewhere. */
const OF_OTHERS: ReadonlySet<string | undefined> = new Set([
  undefined,
  ERRORS.BAD_USER.code,
  ERRORS.AMBIGUOUS_USER.code,
])

/**
 * Whether another upstream's answer is as good as the first one's. A refusal of this system says nothing about the app; the app's
 * own is meant for the client, which cannot be given it any more.
 */
function judge(
  head: ResponseHead,
  { protocol, claimed, user }: Placement,
): 'good' | 'unavailable' | 'refused' | 'differs' {
  if (!isAccepted(head)) return OF_OTHERS.has(fieldOf(head, ERROR_HEADER)) ? 'refused' : 'unavailable'
  const same =
    fieldOf(head, 'sec-websocket-protocol') === protocol &&
    fieldOf(head, 'sec-websocket-extensions') === undefined &&
    isUser(head, claimed, user)
  return same ? 'good' : 'differs'
}

/** Whether the app takes the client for the same user as the app before. */
function isUser(head: ResponseHead, claimed: string | undefined, user: string | undefined): boolean {
  try {
    return (confirmedUser(head) ?? claimed) === user
  } catch {
    return false
  }
}
