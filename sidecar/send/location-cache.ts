import type { Allotment } from '../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { ExpiringMap } from '../expiring-map.ts'

/** How long it is believed, in milliseconds, and of how many users: a refreshed announcement comes three times in that time. */
const KEEP_MS = 60_000
const MAX_USERS = 100_000

/** Members that are believed to have one user; with more, those that were heard of longest ago go first. */
export const MAX_MEMBERS = 4

/** Users of whom somebody says so that is no member, or not yet: they must not drive out what is believed. */
const MAX_CLAIMED = 10_000

/** How long a member that had nobody for a copy is not sent another one, in milliseconds; unless it announces the user. */
const ABSENT_MS = 1000

/** What is known of one user takes so much beside the name, measured and rounded up. Bytes. */
const USER_BYTES = 300

export interface LocationCacheOptions {
  /** This sidecar's own member name. */
  readonly self: string
  /** Whether a member may be asked for a user now; by default each. */
  readonly isUsable?: (member: string) => boolean
  /** Of what all that is known takes. */
  readonly memory?: Allotment
  readonly metrics: Metrics
  readonly now?: () => number
}

/** That a member has a user, and since when we know. */
interface Location {
  readonly member: string
  readonly since: number
}

/**
 * Which members have a user, besides the one that the list of members says: because the user was moved from here, because the
 * member has said so, or because a message has reached them there. Several have one whose devices are on several pods.
 */
export class LocationCache {
  readonly #self: string
  readonly #isUsable: (member: string) => boolean
  readonly #now: () => number
  /** Of each user, what was heard last comes first. */
  readonly #locations: ExpiringMap<string, readonly Location[]>
  readonly #absent: ExpiringMap<string, string>
  /** Of each user, those who say that they have them and may become members, the last first. */
  readonly #claims: ExpiringMap<string, readonly string[]>

  constructor({ self, isUsable = () => true, memory, metrics, now = () => performance.now() }: LocationCacheOptions) {
    this.#self = self
    this.#isUsable = isUsable
    this.#now = now
    const accounted = memory && { memory: { of: memory, bytesOf: (user: string) => USER_BYTES + user.length } }
    const evicted = metrics.counter(
      'user_locations_evicted_total',
      'Users whose location was evicted early, because there were too many.',
    )
    const locations = new ExpiringMap<string, readonly Location[]>({
      keepMs: KEEP_MS,
      maxEntries: MAX_USERS,
      onEvict: () => evicted.inc(),
      now,
      ...accounted,
    })
    this.#locations = locations
    this.#absent = new ExpiringMap({ keepMs: ABSENT_MS, maxEntries: MAX_USERS, now, ...accounted })
    this.#claims = new ExpiringMap({ keepMs: KEEP_MS, maxEntries: MAX_CLAIMED, now, ...accounted })
    const claims = this.#claims
    metrics.gauge('user_locations_claimed', 'Users claimed by peers that are not known members.', {
      collect() {
        this.set(claims.size)
      },
    })
    metrics.gauge('user_locations', 'Users known to be connected to a pod that is not their owner.', {
      collect() {
        this.set(locations.size)
      },
    })
  }

  /** The member that was last heard to have a user; `undefined`: nothing is known but the list of members. */
  get(user: string): string | undefined {
    return this.members(user)[0]
  }

  /**
   * All members that are believed to have a user, what was heard last first. One that may not be asked is neither said nor forgotten:
   * it can become usable.
   */
  members(user: string): readonly string[] {
    const believed = this.#of(user).map(({ member }) => member)
    const claimed = (this.#claims.get(user) ?? NOBODY).filter(member => !believed.includes(member))
    return [...believed, ...claimed].filter(this.#isUsable)
  }

  /** Whether somebody says that they have a user who may not be asked, and may be a member in a moment. */
  isClaimed(user: string): boolean {
    return this.#claims.get(user)?.some(member => !this.#isUsable(member)) ?? false
  }

  /** Remembers that a member has a user now. One who is connected here too has several connections. */
  set(user: string, member: string): void {
    if (member === this.#self) return
    const others = this.#of(user).filter(location => location.member !== member)
    this.#locations.set(user, [{ member, since: this.#now() }, ...others].slice(0, MAX_MEMBERS))
    if (this.hasRecentMiss(user, member)) this.#absent.delete(user)
  }

  /**
   * It is said that a member has these users. Of one that may not be asked, and may not be one at all, that is remembered apart, and
   * believed as soon as it is known.
   */
  announced(member: string, users: readonly string[]): void {
    if (!this.#isUsable(member)) this.#claim(member, users)
    else for (const user of users) this.set(user, member)
  }

  /** Forgets a user: they are where the list of members says. */
  delete(user: string): void {
    this.#locations.delete(user)
  }

  /** Forgets that a member has a user: it has not. */
  invalidate(user: string, member: string): void {
    this.#disclaim(user, member)
    this.#keep(user, location => location.member !== member)
  }

  /**
   * A member had nobody for a copy that was sent to it at this time (on the clock of `performance.now()`). What it has announced
   * since then is true all the same: answers and announcements overtake each other.
   */
  absent(user: string, member: string, asked: number): void {
    this.#disclaim(user, member)
    this.#keep(user, location => location.member !== member || location.since > asked)
    if (!this.#of(user).some(location => location.member === member)) this.#absent.set(user, member)
  }

  /** Whether a member had nobody for a copy a moment ago, and has said nothing else since. */
  hasRecentMiss(user: string, member: string): boolean {
    return this.#absent.get(user) === member
  }

  #claim(member: string, users: readonly string[]): void {
    for (const user of users) {
      const others = (this.#claims.get(user) ?? NOBODY).filter(other => other !== member)
      this.#claims.set(user, [member, ...others].slice(0, MAX_MEMBERS))
    }
  }

  #disclaim(user: string, member: string): void {
    const claims = this.#claims.get(user)
    if (!claims?.includes(member)) return
    const left = claims.filter(other => other !== member)
    if (left.length === 0) this.#claims.delete(user)
    else this.#claims.set(user, left)
  }

  #of(user: string): readonly Location[] {
    const locations = this.#locations.get(user)
    if (!locations) return NONE
    const oldest = this.#now() - KEEP_MS
    return locations.filter(({ since }) => since > oldest)
  }

  #keep(user: string, holds: (location: Location) => boolean): void {
    const locations = this.#of(user)
    const left = locations.filter(holds)
    if (left.length === locations.length) return
    if (left.length === 0) this.#locations.delete(user)
    else this.#locations.set(user, left)
  }
}

const NONE: readonly Location[] = []
const NOBODY: readonly string[] = []
