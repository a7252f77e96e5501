import type { Member } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import type { Allotment } from '../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import type { Registry } from '../connections/registry.ts'
import { ExpiringMap } from '../expiring-map.ts'
import { UNSETTLED_MS } from '../send/finder.ts'
import { MAX_ANNOUNCEMENT_BYTES, takeUsers } from '../transport/announcement.ts'
import { deadlineIn } from '../transport/deadline.ts'
import type { Transport } from '../transport/transport.ts'

/** Intervals and timeouts of announcements, in milliseconds. */
export interface AnnouncerTimes {
  /** Interval at which all users are announced again: receivers trust an announcement for a minute. */
  readonly refreshMs: number
  /** Pause after an announcement to a member has failed. */
  readonly retryMs: number
  /** Time limit for one announcement. */
  readonly timeoutMs: number
}

const TIMES: AnnouncerTimes = { refreshMs: 20_000, retryMs: 1000, timeoutMs: 5000 }

/** Number of users examined per event-loop turn, so that messages are not delayed. */
const SLICE = 1000

/** Maximum age of the cached list of settled members, in milliseconds. */
const SETTLED_MS = 100

/** Number of members told right after our start: no more pods than that are expected to start at once. */
const RANKS = 16

/** How long a member is skipped after a failed announcement, in milliseconds: until the next refresh. */
const UNREACHABLE_MS = 20_000
const MAX_UNREACHABLE = 1000

/** Maximum number of announcements pending for one member; the next refresh covers the rest. */
const MAX_WAITING = 100_000

/** Memory of one user in a pending announcement, in bytes; the name is shared with the registry. */
const PENDING_USER_BYTES = 48

export interface AnnouncerOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly members: () => MemberSet
  /** The members that were already listed the given number of milliseconds ago. */
  readonly settled: (ms: number) => MemberSet
  /** Members that are known to have the user too. */
  readonly known: (user: string) => readonly Member[]
  readonly registry: Pick<Registry, 'names' | 'has'>
  readonly transport: Pick<Transport, 'announce'>
  readonly metrics: Metrics
  /** Memory for pending announcements; beyond it, the next refresh covers the rest. */
  readonly memory?: Allotment
  readonly times?: AnnouncerTimes
  readonly maxWaiting?: number
}

/** Users to be announced to one member. */
interface PendingAnnouncements {
  readonly users: Set<string>
  busy: boolean
}

/**
 * Announces local users to the members where senders would look for them: the owner by the current list and, after a
 * recent change, the owner by the previous list. A message then finds the user whichever list its sender has.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #times: AnnouncerTimes
  readonly #pendingAnnouncements = new Map<string, PendingAnnouncements>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #refresh: NodeJS.Timeout
  /** Members that an announcement failed to reach a short time ago. */
  readonly #unreachable = new ExpiringMap<string, true>({ keepMs: UNREACHABLE_MS, maxEntries: MAX_UNREACHABLE })
  readonly #announced
  #pass: NodeJS.Immediate | undefined
  #stopped = false
  #settled = MemberSet.empty
  #settledAt = Number.NEGATIVE_INFINITY

  constructor(options: AnnouncerOptions) {
    this.#options = options
    this.#times = options.times ?? TIMES
    this.#announced = options.metrics.counter(
      'announcements_total',
      'Users announced to other members as connected here, by result.',
      { labelNames: ['result'] },
    )
    for (const result of ['heard', 'failed', 'dropped']) this.#announced.inc({ result }, 0)
    this.#refresh = setInterval(() => this.membersChanged(), this.#times.refreshMs)
  }

  /**
   * A user has connected here. Other members that have the user must know, or they would not copy messages to this pod.
   */
  connected(user: string): void {
    const { self, known } = this.#options
    for (const member of this.#targets(user)) if (member && member.name !== self) this.#enqueue(member, user)
    for (const member of known(user)) this.#enqueue(member, user)
  }

  /** Members that a sender would ask for the user, if its member list is ours or an older one. */
  #targets(user: string): readonly (Member | undefined)[] {
    const { members } = this.#options
    const before = this.#settledMembers()
    // This sidecar has just started, and cannot tell which members are equally new.
    if (before.size === 0) return members().rank(user, RANKS)
    const now = this.#reachableOwner(members(), user)
    const then = this.#reachableOwner(before, user)
    return now?.name === then?.name ? [now] : [now, then]
  }

  /** Skips unreachable owners, as senders do. */
  #reachableOwner(list: MemberSet, user: string): Member | undefined {
    const owner = list.owner(user)
    if (!owner || this.#unreachable.get(owner.name) === undefined) return owner
    return list.rank(user, RANKS).find(({ name }) => this.#unreachable.get(name) === undefined)
  }

  /** The settled members, cached so that they are not recomputed for each user. */
  #settledMembers(): MemberSet {
    const now = performance.now()
    if (now - this.#settledAt >= SETTLED_MS) {
      this.#settled = this.#options.settled(UNSETTLED_MS)
      this.#settledAt = now
    }
    return this.#settled
  }

  /** A user's connection has moved to another member, which is told if the user has more connections here. */
  moved(user: string, member: Member): void {
    if (this.#options.registry.has(user)) this.#enqueue(member, user)
  }

  /** The members have changed: all users are examined, in slices. */
  membersChanged(): void {
    if (this.#stopped) return
    const users = this.#options.registry.names()
    const look = () => {
      this.#pass = undefined
      for (let n = 0; n < SLICE; n++) {
        const { value: user, done } = users.next()
        if (done) return
        this.connected(user)
      }
      this.#pass = setImmediate(look)
    }
    clearImmediate(this.#pass)
    this.#settledAt = Number.NEGATIVE_INFINITY
    this.#pass = setImmediate(look)
  }

  stop(): void {
    this.#stopped = true
    clearInterval(this.#refresh)
    clearImmediate(this.#pass)
    for (const timer of this.#timers) clearTimeout(timer)
    for (const pending of this.#pendingAnnouncements.values()) this.#forget(pending)
  }

  #forget({ users }: PendingAnnouncements): void {
    this.#options.memory?.change(-users.size * PENDING_USER_BYTES)
    users.clear()
  }

  #enqueue(member: Member, user: string): void {
    let pending = this.#pendingAnnouncements.get(member.name)
    if (!pending) {
      pending = { users: new Set(), busy: false }
      this.#pendingAnnouncements.set(member.name, pending)
    }
    this.#add(pending, user)
    if (pending.busy) return
    pending.busy = true
    // Deferred, so that all users of this round share one announcement.
    setImmediate(() => void this.#tell(member, pending))
  }

  #add({ users }: PendingAnnouncements, user: string): void {
    if (users.has(user)) return
    const { maxWaiting = MAX_WAITING, memory } = this.#options
    if (users.size >= maxWaiting || memory?.has(PENDING_USER_BYTES) === false) {
      this.#announced.inc({ result: 'dropped' })
      return
    }
    users.add(user)
    memory?.change(PENDING_USER_BYTES)
  }

  async #tell(member: Member, pending: PendingAnnouncements): Promise<void> {
    const { registry, transport, memory } = this.#options
    while (pending.users.size > 0 && !this.#stopped) {
      const { size } = pending.users
      const users = takeUsers(pending.users).filter(user => registry.has(user))
      memory?.change((pending.users.size - size) * PENDING_USER_BYTES)
      if (users.length === 0) continue
      memory?.change(MAX_ANNOUNCEMENT_BYTES)
      const heard = await transport.announce(member, users, deadlineIn(this.#times.timeoutMs))
      memory?.change(-MAX_ANNOUNCEMENT_BYTES)
      this.#announced.inc({ result: heard ? 'heard' : 'failed' }, users.length)
      if (heard) continue
      this.#unreachable.set(member.name, true)
      for (const user of users) this.connected(user)
      if (!this.#concerns(member)) break
      for (const user of users) this.#add(pending, user)
      await new Promise<void>(resolve => this.#later(this.#times.retryMs, resolve))
    }
    pending.busy = false
    this.#forget(pending)
    this.#pendingAnnouncements.delete(member.name)
  }

  /** Whether the member is still listed, so that a retry makes sense. */
  #concerns(member: Member): boolean {
    return this.#options.members().get(member.name) !== undefined
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
  }
}
