import type { Answer, Outcome } from '../transport/outcome.ts'

/** In a round: members that are asked because another one has pointed to them, and members that are asked besides. */
const MAX_HOPS = 4
const MAX_ASKED = 8

/** Pause after the first round; it doubles with each further one, up to the longest. In milliseconds. */
const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 400

/**
 * How much longer it is searched for somebody who must be somewhere: a member that may have them could not be reached, or had them
 * a moment ago. A balancer keeps a client without a pod for 10 s, and a pod that starves may take as long to answer.
 */
export const EXTENDED_WAIT_FACTOR = 4

/**
 * How long it is searched for a user who was looked for everywhere a moment ago: if they have come since, the news of it is on its way.
 * In milliseconds.
 */
export const QUICK_MS = 100

/** Why a member is asked that is not simply the owner: for the counters. */
export const FOLLOW_REASONS = ['moved', 'former', 'rank', 'retry'] as const
export type FollowReason = (typeof FOLLOW_REASONS)[number]

/** What the sender knows at the beginning of a round; members by name. */
export interface SearchView {
  /** Who is believed to have the user; this sidecar itself if they are connected here. */
  readonly cachedLocation: string | undefined
  readonly owner: string | undefined
  /** Whether the list of members has changed a short time ago, so that others may have another one. */
  readonly membershipUnsettled: boolean
  /** Whether the list of members is empty, or was until a short time ago: the recipient's pod may not be in it yet. */
  readonly isNew: boolean
  /** Of a search that has found no trace of the user a moment ago, under the same list of members: who could not be reached. */
  readonly inVain?: { has(member: string): boolean } | undefined
  /** Owners under earlier lists, newest first. */
  former(): readonly string[]
  /** Members in the order in which they would own the user, at most so many. */
  ranked(limit: number): readonly string[]
}

/** What to do next. */
export type Step =
  | { readonly ask: string; readonly reason: FollowReason | undefined }
  | { readonly waitMs: number }
  | { readonly outcome: Outcome }

/**
 * Decides who is asked for a user, one after the other, by what those before have answered; it does nothing itself. In calm times
 * the owner's word is final. In turbulent ones (the list of members has changed, somebody could not be reached, or the user was
 * somewhere a moment ago) former owners and the next in rank are asked too. Until the time is over the owner is asked again in each
 * round, because whoever gets the user tells it, and one of the others; all of them in the last one.
 */
export class Search {
  readonly #view: () => SearchView
  readonly #waitMs: number
  #round = 1
  #now: SearchView
  readonly #asked = new Set<string>()
  #hops = 0
  /** Where the last answer points to. */
  #pointer: string | undefined
  /** Where an answer points to that came when enough were followed in this round: the next one begins there. */
  #unfollowed: string | undefined
  /** Whether the user was somewhere a moment ago. */
  #trace = false
  readonly #unreached = new Set<string>()
  /** Whether two have pointed to each other. */
  #circular = false
  /** Whether anybody has answered. */
  #reached = false
  #pauseMs = FIRST_PAUSE_MS
  /** Whether this round asks all. */
  #all = true
  /** The last round in which one of the others was asked. */
  #extra = 0
  /** When the last round of all has begun, in milliseconds since the message came. */
  #allAtMs = 0

  /**
   * @param waitMs how long the search may go on while members change or the user is moved, from the time that {@link next} is told;
   * {@link EXTENDED_WAIT_FACTOR} times as long where the user must be somewhere
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

  /** Who could not be reached. */
  get unreached(): ReadonlySet<string> {
    return this.#unreached
  }

  /** When the last round began in which all were asked again, in milliseconds since the message came; 0: none has. */
  get allAtMs(): number {
    return this.#allAtMs
  }

  /** Whether it is for lack of any trace of the user that it goes on: another search that was in vain says as much. */
  get isVague(): boolean {
    return !this.#trace && !this.#circular && this.#now.cachedLocation === undefined && !this.#isNews()
  }

  /** @param elapsedMs since the message came */
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

  /** What a member has answered that had not got the message delivered. */
  answered(member: string, answer: Answer): void {
    this.#asked.add(member)
    this.#pointer = undefined
    if (answer === 'no_owner') this.#unreached.add(member)
    else this.#reached = true
    if (typeof answer === 'string') return
    if (answer.member === undefined) this.#trace = true
    // They are being moved just now, or what one of the two believes is no longer true.
    else if (this.#asked.has(answer.member)) this.#circular = true
    else if (this.#hops < MAX_HOPS) this.#pointer = answer.member
    else {
      this.#trace = true
      this.#unfollowed = answer.member
    }
  }

  /** The pause is over: the world may look different. */
  look(): void {
    this.#now = this.#view()
  }

  /** How long it goes on as things are, in milliseconds since the message came. */
  get limitMs(): number {
    const { membershipUnsettled, isNew, inVain } = this.#now
    // While pods come and go, whoever is said to be where they were not a moment before is being moved about.
    if (this.#trace || this.#isNews() || (this.#circular && membershipUnsettled))
      return EXTENDED_WAIT_FACTOR * this.#waitMs
    if (this.#circular) return this.#waitMs
    if (!membershipUnsettled && !isNew && this.#unreached.size === 0) return 0
    if (inVain) return Math.min(QUICK_MS, this.#waitMs)
    // DNS answers are cached: of pods that start together, each may not hear of the others for longer than a change takes elsewhere.
    return isNew ? EXTENDED_WAIT_FACTOR * this.#waitMs : this.#waitMs
  }

  /** Whether somebody could not be reached who could be when it was searched in vain. */
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

  /** Of those that are asked besides the owner: whoever takes its place if it cannot be reached, and each round another one. */
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
