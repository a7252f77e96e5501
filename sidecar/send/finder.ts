import { keyProblem } from '../../lib/routing/key/routing-key.ts'
import type { Member } from '../../lib/routing/members.ts'
import type { MemberSet } from '../../lib/routing/rendezvous.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import type { Registry } from '../connections/registry.ts'
import { ExpiringMap } from '../expiring-map.ts'
import type { KnownPeers } from '../peers/known-peers.ts'
import type { Delivery } from '../receive/delivery.ts'
import { type Deadline, deadlineIn, orLate } from '../transport/deadline.ts'
import type { Answer, Outcome } from '../transport/outcome.ts'
import type { RoutedMessage, Transport } from '../transport/transport.ts'
import { LeadingSearches } from './leading-searches.ts'
import type { LocationCache } from './location-cache.ts'
import { type AskStep, FOLLOW_REASONS, QUICK_MS, Search, type SearchView } from './search.ts'

/** How long after a membership change other members may have an older or newer list, in milliseconds. */
export const UNSETTLED_MS = 30_000

/** How long a failed search shortens further searches for the same user, in milliseconds. */
const IN_VAIN_MS = 5000
const MAX_IN_VAIN = 10_000

/** How long an unreachable member is skipped, in milliseconds. */
const SUSPECT_MS = 1000
const MAX_SUSPECTS = 10_000

export interface FinderOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly members: () => MemberSet
  /** Previous lists of members. */
  readonly history: {
    changedWithin(ms: number): boolean
    isNew(ms: number): boolean
    formerOwners(key: string): readonly Member[]
  }
  /** The members that may be asked. */
  readonly knownPeers: Pick<KnownPeers, 'get' | 'addVerified'>
  readonly registry: Pick<Registry, 'isConnected'>
  readonly locationCache: Pick<LocationCache, 'get' | 'set' | 'delete' | 'invalidate'>
  readonly delivery: Pick<Delivery, 'deliver'>
  readonly transport: Transport
  /** Time limit for one member to take a message, in milliseconds. */
  readonly timeoutMs: number
  readonly metrics: Metrics
}

/** A search that has found no trace of a user. */
interface InVain {
  /** Time when all members were last asked, on the clock of `performance.now()`. */
  readonly allAt: number
  /** Members that could not be reached. */
  readonly unreached: ReadonlySet<string>
}

/** Destination of a message: a member, a connection of this pod, or none. */
export type Target = Member | 'here' | undefined

/** Answers that mean "not delivered": the message may be tried elsewhere. */
export type Miss = Exclude<Answer, Outcome> | 'offline' | 'no_owner'

export function isMiss(answer: Answer): answer is Miss {
  return typeof answer !== 'string' || answer === 'offline' || answer === 'no_owner'
}

/** Finds the pods that recipients are connected to. */
export class Finder {
  readonly #options: FinderOptions
  readonly #suspects = new ExpiringMap<string, true>({ keepMs: SUSPECT_MS, maxEntries: MAX_SUSPECTS })
  readonly #inVain = new ExpiringMap<string, InVain>({ keepMs: IN_VAIN_MS, maxEntries: MAX_IN_VAIN })
  readonly #leaders = new LeadingSearches()
  readonly #followed

  constructor(options: FinderOptions) {
    this.#options = options
    this.#followed = options.metrics.counter(
      'messages_followed_total',
      'Additional members that were asked for the recipient of a message, by reason.',
      { labelNames: ['reason'] },
    )
    for (const reason of FOLLOW_REASONS) this.#followed.inc({ reason }, 0)
  }

  /** The first target for a message to this user. */
  locate(user: string): Target {
    const { self, members, registry, locationCache } = this.#options
    if (registry.isConnected(user)) return 'here'
    const cached = locationCache.get(user)
    const target = (cached === undefined ? undefined : this.member(cached)) ?? members().owner(user)
    return target?.name === self ? 'here' : target
  }

  nameOf(target: Target): string {
    return target === 'here' ? this.#options.self : (target?.name ?? '')
  }

  /** Hands a message to a target; `timeout` if the deadline passes before the outcome is known. */
  ask(target: Target, routed: RoutedMessage, deadline: Deadline): Answer | Promise<Answer> {
    if (target === 'here') {
      const answer = this.#options.delivery.deliver(routed)
      return answer instanceof Promise ? orLate<Answer>(answer, 'timeout', deadline) : answer
    }
    if (target === undefined || this.#suspects.get(target.name))
      return keyProblem(routed.user) === undefined ? 'no_owner' : 'rejected'
    return this.#send(target, routed, deadline)
  }

  async #send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    const answer = await this.#options.transport.send(member, routed, deadline)
    // Set only after an attempt of its own: if skipping renewed it, a skipped member would be skipped forever.
    if (answer === 'no_owner') this.#suspects.set(member.name, true)
    return answer
  }

  /**
   * Like {@link ask}, for a message that no other of its lane follows: it is resent once if its sender's connection is
   * unknown.
   */
  async askAlone(target: Target, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    const answer = await this.ask(target, routed, deadline)
    return typeof answer === 'object' && answer.introduce ? this.ask(target, routed, deadline) : answer
  }

  /**
   * Begins the search for a user whom the first target does not have.
   *
   * @param waitMs how long it may last, counted from the arrival of the message
   */
  search(user: string, target: Target, miss: Miss, waitMs: number): Search {
    const search = new Search(() => this.#view(user), waitMs)
    if (target !== undefined) this.#missed(search, user, this.nameOf(target), miss)
    return search
  }

  /**
   * Continues a search until the message is delivered or no member is left to ask. Of several searches for one user,
   * one leads and keeps asking; the others wait for its end.
   *
   * @param since arrival of the message, and `until`, the time limit of its outcome; on the clock of
   *   `performance.now()`
   */
  async seek(search: Search, routed: RoutedMessage, since: number, until: number): Promise<Outcome> {
    const { user } = routed
    let endLead: (() => void) | undefined
    try {
      for (;;) {
        const now = performance.now()
        if (now >= until || (search.isVague && this.#wasInVain(user, since))) return search.verdict
        const step = search.next(now - since)
        if ('outcome' in step) {
          this.#gaveUp(user, search, since)
          return step.outcome
        }
        if ('waitMs' in step) {
          endLead ??= this.#leaders.tryLead(user)
          const limitMs = Math.max(1, since + search.limitMs - now)
          await (endLead ? pause(step.waitMs) : orLate(this.#leaders.ended(user), undefined, deadlineIn(limitMs)))
          search.look()
          continue
        }
        const outcome = await this.#askNext(search, step, routed, until - now)
        if (outcome !== undefined) return outcome
      }
    } finally {
      endLead?.()
    }
  }

  /** Asks the next member of a search; returns the outcome unless the search goes on. */
  async #askNext(
    search: Search,
    { ask, reason }: AskStep,
    routed: RoutedMessage,
    leftMs: number,
  ): Promise<Outcome | undefined> {
    const { self, timeoutMs } = this.#options
    if (reason !== undefined) this.#followed.inc({ reason })
    const target = ask === self ? 'here' : this.member(ask)
    const answer = await this.askAlone(target, routed, deadlineIn(Math.min(timeoutMs, leftMs)))
    if (isMiss(answer)) {
      this.#missed(search, routed.user, ask, answer)
      return undefined
    }
    if (answer === 'delivered') this.#found(routed.user, ask)
    return answer
  }

  /** Whether all members were asked in vain after the message came, and late enough for news to have arrived. */
  #wasInVain(user: string, since: number): boolean {
    const known = this.#knownInVain(user)
    return known !== undefined && known.allAt >= since + QUICK_MS
  }

  #knownInVain(user: string): InVain | undefined {
    const known = this.#inVain.get(user)
    // Members that have joined since were not asked.
    return known && !this.#options.history.changedWithin(performance.now() - known.allAt) ? known : undefined
  }

  #gaveUp(user: string, { allAtMs, unreached }: Search, since: number): void {
    if (allAtMs > 0) this.#inVain.set(user, { allAt: since + allAtMs, unreached: new Set(unreached) })
  }

  #view(user: string): SearchView {
    const { self, members, history, registry, locationCache } = this.#options
    return {
      cachedLocation: registry.isConnected(user) ? self : locationCache.get(user),
      owner: members().owner(user)?.name,
      membershipUnsettled: history.changedWithin(UNSETTLED_MS),
      isNew: history.isNew(UNSETTLED_MS),
      inVain: this.#knownInVain(user)?.unreached,
      former: () => history.formerOwners(user).map(({ name }) => name),
      ranked: limit =>
        members()
          .rank(user, limit)
          .map(({ name }) => name),
    }
  }

  #missed(search: Search, user: string, member: string, miss: Miss): void {
    const { self, locationCache, knownPeers } = this.#options
    // An asked member is trusted, and names only members that it may ask itself; our own knowledge proves nothing.
    if (typeof miss === 'object' && miss.member !== undefined && member !== self) knownPeers.addVerified(miss.member)
    locationCache.invalidate(user, member)
    search.answered(member, miss)
  }

  /** Records the user's location, so that the next message goes there at once. */
  #found(user: string, member: string): void {
    const { self, members, locationCache } = this.#options
    this.#inVain.delete(user)
    // Locations elsewhere are kept: the user may have further connections there.
    if (member === self) return
    if (members().owner(user)?.name === member) locationCache.delete(user)
    else locationCache.set(user, member)
  }

  /**
   * The member with this name, which may come from another member and be unlisted; `undefined` if it must not be asked.
   */
  member(name: string): Member | undefined {
    return this.#options.knownPeers.get(name)
  }
}

/** Timers count whole milliseconds and may fire one early, which would cost a further round. */
const pause = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, Math.ceil(ms) + 1))
