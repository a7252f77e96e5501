import type { Allotment } from '../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { ExpiringMap } from '../expiring-map.ts'

/**
 * How long a location is trusted, in milliseconds, and the maximum number of users; announcements recur three times as
 * fast.
 */
const KEEP_MS = 60_000
const MAX_USERS = 100_000

/** Maximum number of members remembered per user; beyond it, the oldest entries are dropped. */
export const MAX_MEMBERS = 4

/** Maximum number of users claimed by peers that are not members (yet): claims must not evict known locations. */
const MAX_CLAIMED = 10_000

/** How long a member that could not deliver a copy gets no other one, in milliseconds, unless it announces the user. */
const ABSENT_MS = 1000

/** Measured memory of a user's entry without the name, rounded up, in bytes. */
const USER_BYTES = 300

export interface LocationCacheOptions {
  /** This sidecar's own member name. */
  readonly self: string
  /** Whether a member may be asked for a user now; by default, every member. */
  readonly isUsable?: (member: string) => boolean
  /** Memory of all entries. */
  readonly memory?: Allotment
  readonly metrics: Metrics
  readonly now?: () => number
}

/** A member that has a user, and the time when we learned it. */
interface Location {
  readonly member: string
  readonly since: number
}

/**
 * Members that have a user, other than the owner by the member list: because the user was moved there from here,
 * because the member announced it, or because a message was delivered there. A user whose devices are on several pods
 * has several.
 */
export class LocationCache {
  readonly #self: string
  readonly #isUsable: (member: string) => boolean
  readonly #now: () => number
  /** Locations by user, newest first. */
  readonly #locations: ExpiringMap<string, readonly Location[]>
  readonly #absent: ExpiringMap<string, string>
  /** By user, the peers that claim the user and may become members, newest first. */
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

  /** The newest known location of a user; `undefined`: only the member list applies. */
  get(user: string): string | undefined {
    return this.members(user)[0]
  }

  /**
   * All members that are assumed to have the user, newest first. Members that must not be asked are left out, but kept:
   * they can become usable.
   */
  members(user: string): readonly string[] {
    const cached = this.#of(user).map(({ member }) => member)
    const claimed = (this.#claims.get(user) ?? NOBODY).filter(member => !cached.includes(member))
    return [...cached, ...claimed].filter(this.#isUsable)
  }

  /** Whether a peer that must not be asked yet claims the user; it may be a member in a moment. */
  isClaimed(user: string): boolean {
    return this.#claims.get(user)?.some(member => !this.#isUsable(member)) ?? false
  }

  /** Records that a member has a user now. A user who is connected here too has several connections. */
  set(user: string, member: string): void {
    if (member === this.#self) return
    const others = this.#of(user).filter(location => location.member !== member)
    this.#locations.set(user, [{ member, since: this.#now() }, ...others].slice(0, MAX_MEMBERS))
    if (this.hasRecentMiss(user, member)) this.#absent.delete(user)
  }

  /**
   * Handles a member's announcement of users. Announcements of a peer that must not be asked, and may be no member, are
   * stored separately, and trusted once it is known.
   */
  announced(member: string, users: readonly string[]): void {
    if (!this.#isUsable(member)) this.#claim(member, users)
    else for (const user of users) this.set(user, member)
  }

  /** Forgets a user's locations: the owner by the member list has the user. */
  delete(user: string): void {
    this.#locations.delete(user)
  }

  /** Forgets a location that has proven wrong. */
  invalidate(user: string, member: string): void {
    this.#disclaim(user, member)
    this.#keep(user, location => location.member !== member)
  }

  /**
   * A member could not deliver a copy sent at the time `asked` (on the clock of `performance.now()`). Its announcements
   * since then still hold, because answers and announcements may overtake each other.
   */
  absent(user: string, member: string, asked: number): void {
    this.#disclaim(user, member)
    this.#keep(user, location => location.member !== member || location.since > asked)
    if (!this.#of(user).some(location => location.member === member)) this.#absent.set(user, member)
  }

  /** Whether the member recently could not deliver a copy, and has not announced the user since. */
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
