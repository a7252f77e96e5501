import type { Answer, Outcome } from '../lib/wire/outcome.ts'

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
export const PATIENCE = 4

/** Why a member is asked that is not simply the owner: for the counters. */
export const FOLLOW_REASONS = ['moved', 'former', 'rank', 'retry'] as const
export type FollowReason = (typeof FOLLOW_REASONS)[number]

/** What the sender knows at the beginning of a round; members by name. */
export interface SearchView {
  /** Who is believed to have the user; this sidecar itself if they are connected here. */
  readonly believed: string | undefined
  readonly owner: string | undefined
  /** Whether the list of members has changed a short time ago, so that others may have another one. */
  readonly turbulent: boolean
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
 * somewhere a moment ago) former owners and the next in rank are asked too, and all of them again until the time is over.
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
  #turbulent = false
  /** Whether two have pointed to each other. */
  #circular = false
  /** Whether anybody has answered. */
  #reached = false
  #pauseMs = FIRST_PAUSE_MS

  /**
   * @param waitMs how long the search may go on while members change or the user is moved, from the time that {@link next} is told;
   * {@link PATIENCE} times as long where the user must be somewhere
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

  /** @param elapsedMs since the message came */
  next(elapsedMs: number): Step {
    const step = this.#candidate()
    if (step) return step
    const limitMs = this.#limitMs
    if (elapsedMs >= limitMs) return { outcome: this.verdict }
    const waitMs = Math.min(this.#pauseMs, limitMs - elapsedMs)
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
    if (answer === 'no_owner') this.#turbulent = true
    else this.#reached = true
    if (typeof answer === 'string') return
    if (answer.member === undefined) this.#turbulent = true
    // They are being moved just now, or what one of the two believes is no longer true.
    else if (this.#asked.has(answer.member)) this.#circular = true
    else if (this.#hops < MAX_HOPS) this.#pointer = answer.member
    else {
      this.#turbulent = true
      this.#unfollowed = answer.member
    }
  }

  /** The pause is over: the world may look different. */
  look(): void {
    this.#now = this.#view()
  }

  get #limitMs(): number {
    const { turbulent } = this.#now
    // While pods come and go, whoever is said to be where they were not a moment before is being moved about.
    if (this.#turbulent || (this.#circular && turbulent)) return PATIENCE * this.#waitMs
    return this.#circular || turbulent ? this.#waitMs : 0
  }

  #candidate(): Step | undefined {
    const pointer = this.#pointer
    if (pointer !== undefined) {
      this.#hops++
      return { ask: pointer, reason: 'moved' }
    }
    if (this.#asked.size - this.#hops >= MAX_ASKED) return undefined
    const { believed, owner, turbulent } = this.#now
    const again = this.#round > 1 ? 'retry' : undefined
    if (believed !== undefined && !this.#asked.has(believed)) return { ask: believed, reason: again ?? 'moved' }
    if (owner !== undefined && !this.#asked.has(owner)) return { ask: owner, reason: again }
    if (!turbulent && !this.#turbulent) return undefined
    for (const ask of this.#now.former()) if (!this.#asked.has(ask)) return { ask, reason: again ?? 'former' }
    for (const ask of this.#now.ranked(MAX_ASKED)) if (!this.#asked.has(ask)) return { ask, reason: again ?? 'rank' }
    return undefined
  }
}
