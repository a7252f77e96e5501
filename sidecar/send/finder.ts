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
import type { LocationCache } from './location-cache.ts'
import { FOLLOW_REASONS, type FollowReason, QUICK_MS, Search, type SearchView } from './search.ts'

/** After a change of the members, others may have an older or a newer list for so long, in milliseconds. */
export const UNSETTLED_MS = 30_000

/** A search that was in vain says so to others for so long, in milliseconds. */
const IN_VAIN_MS = 5000
const MAX_IN_VAIN = 10_000

/** A member that could not be reached is passed over for so long, in milliseconds. */
const SUSPECT_MS = 1000
const MAX_SUSPECTS = 10_000

export interface FinderOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly members: () => MemberSet
  /** Of the lists of members there were. */
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
  /** Longest time for one member to take a message, in milliseconds. */
  readonly timeoutMs: number
  readonly metrics: Metrics
}

/** A search that has found no trace of a user. */
interface InVain {
  /** When all were asked last, on the clock of `performance.now()`. */
  readonly allAt: number
  /** Who could not be reached. */
  readonly unreached: ReadonlySet<string>
}

/** Where a message goes: to a member, to a connection of this pod, or to nobody. */
export type Target = Member | 'here' | undefined

/** The answers after which a message may be tried elsewhere: it was not delivered. */
export type Miss = Exclude<Answer, Outcome> | 'offline' | 'no_owner'

export function isMiss(answer: Answer): answer is Miss {
  return typeof answer !== 'string' || answer === 'offline' || answer === 'no_owner'
}

/** Finds where the recipients of messages are connected. */
export class Finder {
  readonly #options: FinderOptions
  readonly #suspects = new ExpiringMap<string, true>({ keepMs: SUSPECT_MS, maxEntries: MAX_SUSPECTS })
  readonly #inVain = new ExpiringMap<string, InVain>({ keepMs: IN_VAIN_MS, maxEntries: MAX_IN_VAIN })
  /** For each user that is searched for, the end of the one search that goes on asking. */
  readonly #searching = new Map<string, Promise<unknown>>()
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

  /** Where a message goes first. */
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

  /** Hands a letter to a target; `timeout` when the deadline is over before it is known what became of it. */
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
    // Only by an answer of its own: one that is passed over would be passed over for ever.
    if (answer === 'no_owner') this.#suspects.set(member.name, true)
    return answer
  }

  /** The same for a letter that no other one of its lane follows: where its sender's connection is not known, it is sent once more. */
  async askAlone(target: Target, routed: RoutedMessage, deadline: Deadline): Promise<Answer> {
    const answer = await this.ask(target, routed, deadline)
    return typeof answer === 'object' && answer.introduce ? this.ask(target, routed, deadline) : answer
  }

  /**
   * Begins the search for a user who was not where a message went first.
   *
   * @param waitMs how long it may go on, from when the message came
   */
  search(user: string, target: Target, miss: Miss, waitMs: number): Search {
    const search = new Search(() => this.#view(user), waitMs)
    if (target !== undefined) this.#missed(search, user, this.nameOf(target), miss)
    return search
  }

  /**
   * Goes on with a search until the letter is delivered or nobody is left to ask. Of several searches for one user, one asks again and
   * again, and the others wait for what comes of it.
   *
   * @param since when the message came, and `until` when it must have its outcome; on the clock of `performance.now()`
   */
  async seek(search: Search, routed: RoutedMessage, since: number, until: number): Promise<Outcome> {
    const { user } = routed
    let end: (() => void) | undefined
    try {
      for (;;) {
        const now = performance.now()
        if (now >= until) return search.verdict
        if (search.isVague && this.#wasInVain(user, since)) return search.verdict
        const step = search.next(now - since)
        if ('outcome' in step) {
          this.#gaveUp(user, search, since)
          return step.outcome
        }
        if ('waitMs' in step) {
          const other = end ? undefined : this.#searching.get(user)
          if (other) await orLate(other, undefined, deadlineIn(Math.max(1, since + search.limitMs - now)))
          else {
            end ??= this.#lead(user)
            // Timers have whole milliseconds and are up to one early, after which there would be a further round.
            await new Promise(resolve => setTimeout(resolve, Math.ceil(step.waitMs) + 1))
          }
          search.look()
          continue
        }
        this.#count(step.reason)
        const target = step.ask === this.#options.self ? 'here' : this.member(step.ask)
        const limitMs = Math.min(this.#options.timeoutMs, until - now)
        const answer = await this.askAlone(target, routed, deadlineIn(limitMs))
        if (isMiss(answer)) this.#missed(search, user, step.ask, answer)
        else {
          if (answer === 'delivered') this.#found(user, step.ask)
          return answer
        }
      }
    } finally {
      end?.()
    }
  }

  /** Others wait until this search has ended. Returns what ends it for them. */
  #lead(user: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#searching.set(user, promise)
    return () => {
      this.#searching.delete(user)
      resolve()
    }
  }

  /** Whether all were asked in vain after a message had come, and long enough after it for any news to have arrived. */
  #wasInVain(user: string, since: number): boolean {
    const known = this.#knownInVain(user)
    return known !== undefined && known.allAt >= since + QUICK_MS
  }

  #knownInVain(user: string): InVain | undefined {
    const known = this.#inVain.get(user)
    // Others may have come to be members, who were not asked.
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
    // A member that we have asked is one of us, and names only whom it may ask itself; what we know ourselves proves nothing.
    if (typeof miss === 'object' && miss.member !== undefined && member !== self) knownPeers.addVerified(miss.member)
    locationCache.invalidate(user, member)
    search.answered(member, miss)
  }

  /** The next message goes there at once. */
  #found(user: string, member: string): void {
    const { self, members, locationCache } = this.#options
    this.#inVain.delete(user)
    // Where else they are stays known: there they may have further connections.
    if (member === self) return
    if (members().owner(user)?.name === member) locationCache.delete(user)
    else locationCache.set(user, member)
  }

  #count(reason: FollowReason | undefined): void {
    if (reason !== undefined) this.#followed.inc({ reason })
  }

  /** A member by its name, which may have been told by somebody else and be in no list; `undefined`: it may not be asked. */
  member(name: string): Member | undefined {
    return this.#options.knownPeers.get(name)
  }
}
