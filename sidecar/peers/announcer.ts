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

/** Times of the announcements, in milliseconds. */
export interface AnnouncerTimes {
  /** All is said again so often: what was said is believed for a minute. */
  readonly refreshMs: number
  /** Pause after a member has not heard an announcement. */
  readonly retryMs: number
  /** Longest time of one announcement. */
  readonly timeoutMs: number
}

const TIMES: AnnouncerTimes = { refreshMs: 20_000, retryMs: 1000, timeoutMs: 5000 }

/** Users that are looked at in one go, so that messages do not wait for it. */
const SLICE = 1000

/** How old the list of settled members may be that users are looked up in, in milliseconds. */
const SETTLED_MS = 100

/** Members that are told in the first time after our start: more than that many pods do not start at once. */
const RANKS = 16

/** How long a member that has not heard an announcement is passed over, in milliseconds: until the next refresh. */
const DEAF_MS = 20_000
const MAX_DEAF = 1000

/** Most announcements that wait for one member; the next refresh says the rest. */
const MAX_WAITING = 100_000

/** What a user in an announcement that waits takes, in bytes; the name is that of the registry. */
const NOTE_BYTES = 48

export interface AnnouncerOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly members: () => MemberSet
  /** The members that there were already so many milliseconds ago. */
  readonly settled: (ms: number) => MemberSet
  /** Members that are believed to have a user too. */
  readonly known: (user: string) => readonly Member[]
  readonly registry: Pick<Registry, 'names' | 'has'>
  readonly transport: Pick<Transport, 'announce'>
  readonly metrics: Metrics
  /** Of what waits to be said; with more, the next refresh says the rest. */
  readonly memory?: Allotment
  readonly times?: AnnouncerTimes
  readonly maxWaiting?: number
}

/** What one member has to be told. */
interface PendingAnnouncements {
  readonly users: Set<string>
  busy: boolean
}

/**
 * Tells other members about users who are connected here though others would look for them there: the member that owns the user
 * by our list, and where that has just grown, by the list before. So a message finds them, whichever list its sender has.
 */
export class Announcer {
  readonly #options: AnnouncerOptions
  readonly #times: AnnouncerTimes
  readonly #pendingAnnouncements = new Map<string, PendingAnnouncements>()
  readonly #timers = new Set<NodeJS.Timeout>()
  readonly #refresh: NodeJS.Timeout
  /** Members that have not heard an announcement a short time ago. */
  readonly #unreachable = new ExpiringMap<string, true>({ keepMs: DEAF_MS, maxEntries: MAX_DEAF })
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

  /** A user has connected here. Others that have them too must know it, or what they deliver would not be copied here. */
  connected(user: string): void {
    const { self, known } = this.#options
    for (const member of this.#targets(user)) if (member && member.name !== self) this.#note(member, user)
    for (const member of known(user)) this.#note(member, user)
  }

  /** Who could be asked for a user by somebody whose list of members is ours or an older one. */
  #targets(user: string): readonly (Member | undefined)[] {
    const { members } = this.#options
    const before = this.#settledMembers()
    // We have just started, and cannot tell which members are as new as we are.
    if (before.size === 0) return members().rank(user, RANKS)
    const now = this.#ownerThatHears(members(), user)
    const then = this.#ownerThatHears(before, user)
    return now?.name === then?.name ? [now] : [now, then]
  }

  /** A sender passes over an owner that cannot be reached, and so do we. */
  #ownerThatHears(list: MemberSet, user: string): Member | undefined {
    const owner = list.owner(user)
    if (!owner || this.#unreachable.get(owner.name) === undefined) return owner
    return list.rank(user, RANKS).find(({ name }) => this.#unreachable.get(name) === undefined)
  }

  /** Not worked out anew for each user. */
  #settledMembers(): MemberSet {
    const now = performance.now()
    if (now - this.#settledAt >= SETTLED_MS) {
      this.#settled = this.#options.settled(UNSETTLED_MS)
      this.#settledAt = now
    }
    return this.#settled
  }

  /** A connection of a user was moved to another member; those that they still have here are made known there. */
  moved(user: string, member: Member): void {
    if (this.#options.registry.has(user)) this.#note(member, user)
  }

  /** The members have changed: all users are looked at, some at a time. */
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
    for (const notes of this.#pendingAnnouncements.values()) this.#forget(notes)
  }

  #forget({ users }: PendingAnnouncements): void {
    this.#options.memory?.change(-users.size * NOTE_BYTES)
    users.clear()
  }

  #note(member: Member, user: string): void {
    let notes = this.#pendingAnnouncements.get(member.name)
    if (!notes) {
      notes = { users: new Set(), busy: false }
      this.#pendingAnnouncements.set(member.name, notes)
    }
    this.#add(notes, user)
    if (notes.busy) return
    notes.busy = true
    // Together with all others of this round.
    setImmediate(() => void this.#tell(member, notes))
  }

  #add({ users }: PendingAnnouncements, user: string): void {
    if (users.has(user)) return
    const { maxWaiting = MAX_WAITING, memory } = this.#options
    if (users.size >= maxWaiting || memory?.has(NOTE_BYTES) === false) {
      this.#announced.inc({ result: 'dropped' })
      return
    }
    users.add(user)
    memory?.change(NOTE_BYTES)
  }

  async #tell(member: Member, notes: PendingAnnouncements): Promise<void> {
    const { registry, transport, memory } = this.#options
    while (notes.users.size > 0 && !this.#stopped) {
      const { size } = notes.users
      const users = takeUsers(notes.users).filter(user => registry.has(user))
      memory?.change((notes.users.size - size) * NOTE_BYTES)
      if (users.length === 0) continue
      memory?.change(MAX_ANNOUNCEMENT_BYTES)
      const heard = await transport.announce(member, users, deadlineIn(this.#times.timeoutMs))
      memory?.change(-MAX_ANNOUNCEMENT_BYTES)
      this.#announced.inc({ result: heard ? 'heard' : 'failed' }, users.length)
      if (heard) continue
      this.#unreachable.set(member.name, true)
      for (const user of users) this.connected(user)
      if (!this.#concerns(member)) break
      for (const user of users) this.#add(notes, user)
      await new Promise<void>(resolve => this.#later(this.#times.retryMs, resolve))
    }
    notes.busy = false
    this.#forget(notes)
    this.#pendingAnnouncements.delete(member.name)
  }

  /** Whether a member is still one, so that it makes sense to try again. */
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
