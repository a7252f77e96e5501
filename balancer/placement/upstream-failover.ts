import type { Plan } from '../../lib/proxy/plan.ts'
import { ERRORS } from '../../lib/service/http/errors.ts'
import { elsewhere } from './handshake-plan.ts'
import type { LiveMembers } from './live-members.ts'
import type { Placement } from './placement.ts'

/** Maximum number of members that a client's first handshake is offered to. */
const MAX_ATTEMPTS = 3

/**
 * Refusals that say nothing about the handshake, so another member may accept it. Excluded are an app that is slow to
 * answer and one that closes during the handshake: every member would do the same.
 */
const PASSED_OVER: ReadonlySet<string> = new Set([
  ERRORS.UPSTREAM_UNREACHABLE.code,
  ERRORS.DRAINING.code,
  ERRORS.FULL.code,
  ERRORS.WRONG_TARGET.code,
  ERRORS.NO_MEMORY.code,
])

/** A full member is alive, so it is not suspected. */
const NO_ROOM: ReadonlySet<string> = new Set([ERRORS.FULL.code, ERRORS.NO_MEMORY.code])

/** Finds another member for a refused handshake, and marks the member that refused it as draining or suspect. */
export class UpstreamFailover {
  readonly #members: LiveMembers
  readonly #tried = new WeakMap<Plan<Placement>, ReadonlySet<string>>()

  constructor(members: LiveMembers) {
    this.#members = members
  }

  /** @param code reason for the refusal, from the error table */
  next(plan: Plan<Placement>, code: string): Plan<Placement> | undefined {
    if (!PASSED_OVER.has(code)) return undefined
    const { key, member } = plan.context
    if (code === ERRORS.DRAINING.code || code === ERRORS.WRONG_TARGET.code) this.#members.markDraining(member)
    else if (!NO_ROOM.has(code)) this.#members.suspect(member)
    const tried = new Set(this.#tried.get(plan)).add(member)
    const other = tried.size < MAX_ATTEMPTS ? this.#members.choose(key, tried) : undefined
    if (!other) return undefined
    const next = elsewhere(plan, other)
    this.#tried.set(next, tried)
    return next
  }
}
