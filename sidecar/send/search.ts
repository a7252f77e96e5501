import type { Answer, Outcome } from '../transport/outcome.ts'

/** Limits per round: members asked because another member pointed to them, and other members asked. */
const MAX_HOPS = 4
const MAX_ASKED = 8

/** Pause after the first round, in milliseconds; it doubles with each further round, up to the longest pause. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 400

/**
 * Factor by which the search is extended for a user who must be connected somewhere: a member that may have them could
 * not be reached, or had them recently. A balancer keeps a client without a pod for 10 s, and an overloaded pod may
 * take as long to answer.
 */
export const EXTENDED_WAIT_FACTOR = 4

/**
 * Length of a search for a user for whom all members were asked recently, in milliseconds: if they have connected
 * since, the announcement is on its way.
 */
export const QUICK_MS = 100

/** Reasons for asking a member other than the owner, for the metrics. */
export const FOLLOW_REASONS = ['moved', 'former', 'rank', 'retry'] as const
export type FollowReason = (typeof FOLLOW_REASONS)[number]

/** The sender's knowledge at the start of a round; members by name. */
export interface SearchView {
  /** Member that is assumed to have the user; this sidecar itself if the user is connected here. */
  readonly cachedLocation: string | undefined
  readonly owner: string | undefined
  /** Whether the member list has changed recently, so that other members may have a different one. */
  readonly membershipUnsettled: boolean
  /** Whether the member list is or recently was empty: it may lack the recipient's pod. */
  readonly isNew: boolean
  /** Unreachable members of a recent search that found no trace of the user, under the same member list. */
  readonly inVain?: { has(member: string): boolean } | undefined
  /** Owners under earlier lists, newest first. */
  former(): readonly string[]
  /** Members in the order in which they would own the user, at most `limit`. */
  ranked(limit: number): readonly string[]
}

/** A member to ask, by name. */
export interface AskStep {
  readonly ask: string
  readonly reason: FollowReason | undefined
}

/** The next action. */
export type Step = AskStep | { readonly waitMs: number } | { readonly outcome: Outcome }

/**
 * Decides which member is asked next for a user, from the previous answers; it performs no I/O. In settled times the
 * owner's answer is final. In unsettled times (the member list has changed, a member could not be reached, or the user
 * was recently somewhere) former owners and the next in rank are asked too. Until the time is up, each round asks the
 * owner again, because every pod that gets the user tells it, and one other member; the last round asks all.
 */
export class Search {
  readonly #view: () => SearchView
  readonly #waitMs: number
  #round = 1
  #now: SearchView
  readonly #asked = new Set<string>()
  #hops = 0
  /** Member that the last answer points to. */
  #pointer: string | undefined
  /** Member that an answer pointed to after this round's hop limit: the next round begins there. */
  #unfollowed: string | undefined
  /** Whether the user was recently connected somewhere. */
  #trace = false
  readonly #unreached = new Set<string>()
  /** Whether two members have pointed to each other. */
  #circular = false
  /** Whether any member has answered. */
  #reached = false
  #pauseMs = FIRST_PAUSE_MS
  /** Whether this round asks all members. */
  #all = true
  /** The last round in which an additional member was asked. */
  #extra = 0
  /** Start of the last round that asks all, in milliseconds since the message came. */
  #allAtMs = 0

  /**
   * @param waitMs how long the search may last while members change or the user is moved, on the clock of {@link next};
   *   {@link EXTENDED_WAIT_FACTOR} times as long if the user must be connected somewhere
   */
  constructor(view: () => SearchView, waitMs: number) {
    this.#view = view
    this.#now = view()
    this.#waitMs = waitMs
  }

  /** The outcome if the search ends now. */
  get verdict(): Outcome {
    return this.#reached ? 'offline' : 'no_owner'
  }

  /** Members that could not be reached. */
  get unreached(): ReadonlySet<string> {
    return this.#unreached
  }

  /** Start of the last round that asked all members again, in milliseconds since the message came; 0: none so far. */
  get allAtMs(): number {
    return this.#allAtMs
  }

  /** Whether the search continues without any trace of the user: another failed search then counts for this one too. */
  get isVague(): boolean {
    return !this.#trace && !this.#circular && this.#now.cachedLocation === undefined && !this.#isNews()
  }

  /** @param elapsedMs time since the message came */
  next(elapsedMs: number): Step {
    const step = this.#candidate()
    if (step) return step
    const { limitMs } = this
    if (limitMs === 0 || (elapsedMs >= limitMs && this.#all)) return { outcome: this.verdict }
    const leftMs = Math.max(0, limitMs - elapsedMs)
    const waitMs = Math.min(this.#pauseMs, leftMs)
    this.#all = waitMs === leftMs
    if (this.#all) this.#allAtMs = elapsedMs + waitMs
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, this.#pauseMs * 2)
    this.#round++
    this.#asked.clear()
    this.#hops = 0
    this.#pointer = this.#unfollowed
    this.#unfollowed = undefined
    return { waitMs }
  }

  /** Records the answer of a member that did not deliver the message. */
  answered(member: string, answer: Answer): void {
    this.#asked.add(member)
    this.#pointer = undefined
    if (answer === 'no_owner') this.#unreached.add(member)
    else this.#reached = true
    if (typeof answer === 'string') return
    if (answer.member === undefined) this.#trace = true
    // The user is being moved, or one of the two members has outdated information.
    else if (this.#asked.has(answer.member)) this.#circular = true
    else if (this.#hops < MAX_HOPS) this.#pointer = answer.member
    else {
      this.#trace = true
      this.#unfollowed = answer.member
    }
  }

  /** Refreshes the view after a pause, as members and locations may have changed. */
  look(): void {
    this.#now = this.#view()
  }

  /** Time limit under the current conditions, in milliseconds since the message came. */
  get limitMs(): number {
    const { membershipUnsettled, isNew, inVain } = this.#now
    // While pods come and go, members that point to each other mean that the user is being moved.
    if (this.#trace || this.#isNews() || (this.#circular && membershipUnsettled))
      return EXTENDED_WAIT_FACTOR * this.#waitMs
    if (this.#circular) return this.#waitMs
    if (!membershipUnsettled && !isNew && this.#unreached.size === 0) return 0
    if (inVain) return Math.min(QUICK_MS, this.#waitMs)
    // DNS answers are cached: pods that start together may learn of each other later than of other changes.
    return isNew ? EXTENDED_WAIT_FACTOR * this.#waitMs : this.#waitMs
  }

  /** Whether a member is unreachable that was reachable in the last failed search. */
  #isNews(): boolean {
    for (const member of this.#unreached) if (!this.#now.inVain?.has(member)) return true
    return false
  }

  #candidate(): Step | undefined {
    const pointer = this.#pointer
    if (pointer !== undefined) {
      this.#hops++
      return { ask: pointer, reason: 'moved' }
    }
    if (this.#asked.size - this.#hops >= MAX_ASKED) return undefined
    const { cachedLocation, owner, membershipUnsettled } = this.#now
    const again = this.#round > 1 ? 'retry' : undefined
    if (cachedLocation !== undefined && !this.#asked.has(cachedLocation))
      return { ask: cachedLocation, reason: again ?? 'moved' }
    if (owner !== undefined && !this.#asked.has(owner)) return { ask: owner, reason: again }
    if (!membershipUnsettled && !this.#trace && this.#unreached.size === 0) return undefined
    if (this.#all) return this.#further(again)
    return this.#inTurn()
  }

  #further(again: FollowReason | undefined): Step | undefined {
    for (const ask of this.#now.former()) if (!this.#asked.has(ask)) return { ask, reason: again ?? 'former' }
    for (const ask of this.#now.ranked(MAX_ASKED)) if (!this.#asked.has(ask)) return { ask, reason: again ?? 'rank' }
    return undefined
  }

  /** An additional member to ask: the stand-in for an unreachable owner, or else a different one each round. */
  #inTurn(): Step | undefined {
    const { cachedLocation, owner, former, ranked } = this.#now
    if (owner !== undefined && this.#unreached.has(owner)) {
      const next = ranked(MAX_ASKED).find(name => !this.#unreached.has(name))
      if (next !== undefined && !this.#asked.has(next)) return { ask: next, reason: 'retry' }
    }
    if (this.#extra === this.#round) return undefined
    this.#extra = this.#round
    const others = new Set([...former(), ...ranked(MAX_ASKED)].slice(0, MAX_ASKED))
    for (const name of [cachedLocation, owner]) if (name !== undefined) others.delete(name)
    const ask = [...others][this.#round % Math.max(1, others.size)]
    return ask === undefined || this.#asked.has(ask) ? undefined : { ask, reason: 'retry' }
  }
}
