import type { Logger } from '../../service/log/log.ts'
import type { Metrics } from '../../service/metrics.ts'
import { diffMembers, type Member, type MemberChange } from '../members.ts'
import { MemberSet } from '../rendezvous.ts'
import type { MemberSink, MemberSource } from './source.ts'
import { realTiming, type Timing } from './timing.ts'

/** Called after every change of the members. */
export type MemberListener = (members: MemberSet, change: MemberChange) => void

/** The current members, and notifications of changes. */
export interface Discovery {
  readonly members: MemberSet
  /**
   * Names of pods that are leaving, as far as the source can tell: they keep serving their users but get no new ones.
   * Some may still be members if there is no other.
   */
  readonly leaving: ReadonlySet<string>
  /** Whether the source has answered at least once. */
  readonly synced: boolean
  /** Human-readable problem with the last answer; `undefined` if there is none, or no answer yet. */
  readonly problem: string | undefined
  /** Resolves with the first answer or the first failed attempt; after that it keeps trying by itself. */
  start(): Promise<void>
  /** Returns a function that ends the subscription. Not called for members that are already known. */
  onChange(listener: MemberListener): () => void
  /** Resolves when nothing runs any more; the members stay readable. */
  stop(): Promise<void>
}

interface Options {
  /** Kind of the source, for logs. */
  readonly source: string
  readonly log: Logger
  readonly metrics?: Metrics
  /** How long the source must report no members before unlisted members are removed, in milliseconds. */
  readonly graceMs: number
  readonly timing?: Timing
}

/** Maximum number of missing members that are remembered. */
const MAX_MISSING = 1000

/**
 * Follows a source of members and enforces the common rule: a failed answer never shortens a known list, and an empty
 * answer does so only if it persists. Pods that a source has lost sight of mostly still work, and without members no
 * user is served; but an address that is kept forever will belong to another pod.
 */
export class MemberWatch implements Discovery {
  #members = MemberSet.empty
  #leaving: ReadonlySet<string> = new Set()
  #synced = false
  /**
   * Whether the latest answer had no members, regardless of members known from earlier ones; true until the first
   * answer.
   */
  #empty = true
  /** Problem with the last answer; logged as a warning once instead of at each attempt. */
  #problem: string | undefined
  #running: Promise<void> | undefined
  readonly #source: MemberSource
  readonly #log: Logger
  readonly #graceMs: number
  readonly #timing: Timing
  /** Aborts the wait for removing members that are kept although unlisted. */
  #grace: AbortController | undefined
  /** Names of those members. */
  #vanished: ReadonlySet<string> = new Set()
  readonly #abort = new AbortController()
  readonly #first = Promise.withResolvers<void>()
  readonly #listeners = new Set<MemberListener>()
  readonly #count: (reason: 'empty' | 'failed') => void

  constructor(source: MemberSource, { source: kind, log, metrics, graceMs, timing = realTiming }: Options) {
    this.#source = source
    this.#graceMs = graceMs
    this.#timing = timing
    this.#log = log.child({ discovery: kind })
    const watch = this
    metrics?.gauge('members', 'Members known to this instance.', {
      // All workers know the same members, so their counts must not be summed.
      aggregator: 'max',
      collect() {
        this.set(watch.members.size)
      },
    })
    metrics?.gauge(
      'discovery_empty',
      '1 while the last answer of the discovery contained no member that accepts users, or there was no answer yet; otherwise 0.',
      {
        aggregator: 'min',
        collect() {
          this.set(watch.#empty ? 1 : 0)
        },
      },
    )
    const ignored = metrics?.counter(
      'discovery_ignored_total',
      'Answers of the discovery that contained no member (empty) or failed, by reason; known members are kept for a while (empty) or as long as it fails.',
      { labelNames: ['reason'] },
    )
    this.#count = reason => ignored?.inc({ reason })
  }

  get members(): MemberSet {
    return this.#members
  }

  get leaving(): ReadonlySet<string> {
    return this.#leaving
  }

  get synced(): boolean {
    return this.#synced
  }

  get problem(): string | undefined {
    return this.#problem
  }

  start(): Promise<void> {
    this.#running ??= this.#run()
    return this.#first.promise
  }

  onChange(listener: MemberListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async stop(): Promise<void> {
    this.#abort.abort()
    this.#stay()
    this.#first.resolve()
    await this.#running
  }

  async #run(): Promise<void> {
    const sink = {
      answer: (...answer: Parameters<MemberSink['answer']>) => this.#answer(...answer),
      failed: (error: Error) => this.#failed(error),
    }
    await this.#source(sink, this.#abort.signal)
  }

  #answer(members: readonly Member[], leaving?: ReadonlySet<string>, unready?: ReadonlySet<string>): void {
    if (this.#abort.signal.aborted) return
    this.#synced = true
    this.#empty = members.length === 0
    if (members.length === 0) this.#noMembers(leaving, unready)
    else {
      this.#stay()
      if (this.#problem !== undefined) this.#log.info({ after: this.#problem }, 'discovery works again')
      this.#problem = undefined
      this.#set(members, leaving)
    }
    this.#first.resolve()
  }

  /** The source reports no member that accepts users. */
  #noMembers(leaving?: ReadonlySet<string>, unready?: ReadonlySet<string>): void {
    const isThere = ({ name }: Member) => leaving?.has(name) === true || unready?.has(name) === true
    // Members that were leaving and are no longer listed have gone.
    const hasGone = (member: Member) => leaving !== undefined && this.#leaving.has(member.name) && !isThere(member)
    this.#set(
      this.#members.members.filter(member => !hasGone(member)),
      leaving,
    )
    this.#ignore('empty', 'it knows no member')
    this.#vanished = new Set(this.#members.members.filter(member => !isThere(member)).map(({ name }) => name))
    if (this.#vanished.size === 0) this.#stay()
    else this.#grace ??= this.#wait(leaving)
  }

  #wait(leaving: ReadonlySet<string> | undefined): AbortController {
    const grace = new AbortController()
    void this.#timing.sleep(this.#graceMs, grace.signal).then(() => {
      if (grace.signal.aborted) return
      this.#grace = undefined
      this.#set(
        this.#members.members.filter(({ name }) => !this.#vanished.has(name)),
        leaving && this.#leaving,
      )
    })
    return grace
  }

  #stay(): void {
    this.#grace?.abort()
    this.#grace = undefined
  }

  #failed(error: Error): void {
    if (this.#abort.signal.aborted) return
    // The answers before it may have been wrong too.
    this.#stay()
    this.#ignore('failed', error.message)
    this.#first.resolve()
  }

  /** If a source cannot tell which members leave, unlisted members count as leaving. */
  #missing(members: readonly Member[], removed: readonly Member[]): ReadonlySet<string> {
    const missing = new Set([...this.#leaving, ...removed.map(({ name }) => name)].slice(-MAX_MISSING))
    for (const { name } of members) missing.delete(name)
    return missing
  }

  #ignore(reason: 'empty' | 'failed', problem: string): void {
    this.#count(reason)
    const level = problem === this.#problem ? 'debug' : 'warn'
    this.#problem = problem
    const kept = this.#members.size
    this.#log[level]({ reason, kept }, `discovery: ${problem}${kept > 0 ? '; the members known so far are kept' : ''}`)
  }

  #set(members: readonly Member[], told?: ReadonlySet<string>): void {
    const difference = diffMembers(this.#members.members, members)
    const leaving = told ?? this.#missing(members, difference.removed)
    const change = { ...difference, leaving: [...leaving].filter(name => !this.#leaving.has(name)) }
    const { added, removed, changed } = difference
    this.#leaving = leaving
    if (added.length + removed.length + changed.length > 0) this.#members = MemberSet.of(members, this.#members)
    else if (change.leaving.length === 0) return
    const names = (list: readonly Member[]) => list.map(({ name }) => name)
    this.#log.info(
      {
        added: names(change.added),
        removed: names(change.removed),
        changed: names(change.changed),
        leaving: change.leaving,
        members: this.#members.size,
      },
      'members changed',
    )
    for (const listener of this.#listeners) {
      try {
        listener(this.#members, change)
      } catch (error) {
        this.#log.error({ err: error }, 'a listener for members failed')
      }
    }
  }
}
