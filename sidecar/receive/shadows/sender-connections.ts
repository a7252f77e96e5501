import type { Bridge, SendResult } from '../../../lib/bridge/bridge.ts'
import { LinkedMap } from '../../../lib/service/linked-map.ts'
import type { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { ExpiringMap } from '../../expiring-map.ts'
import { A_MOMENT_AGO, type Answer, type Outcome, UNINTRODUCED } from '../../transport/outcome.ts'
import type { Origin } from '../../transport/transport.ts'
import type { LocalMessage } from '../local-message.ts'
import { readIntroduction } from './introduction.ts'
import { type Fenceable, RecentWriters } from './recent-writers.ts'
import { SHADOW_BYTES, Shadow } from './shadow.ts'
import { SHADOW_ENDS, type ShadowEnd, type ShadowTarget } from './shadow-types.ts'

/** How long a connection that the app rejected is not retried, in milliseconds. */
const REFUSED_MS = 1000
const MAX_REFUSED = 10_000

/** Interval of checks for idle shadows, in milliseconds. */
const SWEEP_MS = 1000

/** Time limit for the app to read earlier messages of others before a shadow is used, in milliseconds. */
const READY_MS = 1000

/** Continues with a message that has waited. */
export type Again = (kept: LocalMessage) => Answer | Promise<Answer>

/** Keeps a message until an event; answers `full` if there is no room. */
export type Wait = (routed: LocalMessage, until: Promise<unknown>, full: Answer, then: Again) => Promise<Answer>

export interface SenderConnectionsOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly target: ShadowTarget
  /** Longest handshake, in bytes. */
  readonly maxHandshakeBytes: number
  /** Maximum number of shadows, and how long one lives without a message, in milliseconds. */
  readonly maxShadows: number
  readonly idleMs: number
  /** The connection into the app of a client that is served here. */
  readonly serving: (id: string) => Bridge | undefined
  onReply(shadow: Shadow, message: Message): void
  /** A connection of another pod and its shadow have both ended. */
  onEnded(origin: Origin): void
  readonly metrics: Metrics
}

const RESULTS: Readonly<Record<SendResult, Outcome>> = { sent: 'delivered', full: 'slow_consumer', closed: 'rejected' }

/**
 * Connections into this pod's app on which messages are written as their senders': those of local clients, and shadows.
 */
export class SenderConnections {
  readonly writers = new RecentWriters()
  readonly #options: SenderConnectionsOptions
  /** Shadows by the id of the connection that they stand for, least recently used first. */
  readonly #shadows = new LinkedMap<string, Shadow>()
  readonly #byUser = new Map<string, Set<Shadow>>()
  readonly #refused = new ExpiringMap<string, true>({ keepMs: REFUSED_MS, maxEntries: MAX_REFUSED })
  readonly #sweep: NodeJS.Timeout
  readonly #opened
  readonly #closed
  #stopped = false

  constructor(options: SenderConnectionsOptions) {
    this.#options = options
    const { metrics, idleMs } = options
    const shadows = this.#shadows
    metrics.gauge('sender_connections', 'Connections into the app for senders of other pods.', {
      collect() {
        this.set(shadows.size)
      },
    })
    this.#opened = metrics.counter(
      'sender_connections_opened_total',
      'Connections into the app for senders of other pods that were attempted, by result.',
      { labelNames: ['result'] },
    )
    for (const result of ['opened', 'failed']) this.#opened.inc({ result }, 0)
    this.#closed = metrics.counter(
      'sender_connections_closed_total',
      'Connections into the app for senders of other pods that ended, by reason.',
      { labelNames: ['reason'] },
    )
    for (const reason of SHADOW_ENDS) if (reason !== 'failed') this.#closed.inc({ reason }, 0)
    this.#sweep = setInterval(() => this.#closeIdle(performance.now() - idleMs), SWEEP_MS)
    this.#sweep.unref()
  }

  /**
   * Writes a message to the app on a connection of its sender.
   *
   * @param taken called when the kernel has it
   * @param again delivers it anew after a wait: its recipient may have left meanwhile
   */
  deliver(routed: LocalMessage, taken: () => void, wait: Wait, again: Again): Answer | Promise<Answer> {
    const { origin } = routed
    if (!origin || this.#stopped) return 'rejected'
    const shadow = this.#shadows.get(origin.id)
    const own = this.#options.serving(origin.id)
    // Its app has ended, and the connection is about to be moved.
    if (own?.orphaned) return A_MOMENT_AGO
    if (own && !shadow) return this.#write(routed, taken, own, Number.POSITIVE_INFINITY)
    // The app must read the shadow's messages before it gets more of the same sender on another connection.
    if (own) shadow?.close('own')
    if (shadow?.state === 'open') return this.#writeTo(shadow, routed, taken)
    if (shadow) {
      if (routed.via !== undefined) shadow.home = routed.via
      const until = shadow.state === 'opening' ? shadow.opened : shadow.whenGone
      return wait(routed, until, A_MOMENT_AGO, again)
    }
    if (this.#refused.get(origin.id)) return 'rejected'
    const opening = this.#open(origin, routed.via ?? this.#options.self)
    return opening instanceof Shadow ? wait(routed, opening.opened, A_MOMENT_AGO, again) : opening
  }

  /**
   * Closes the shadows of a user's connections, since the app would show messages to that user on them too; resolves
   * when they are gone.
   */
  closeOf(user: string): Promise<unknown> | undefined {
    const shadows = this.#byUser.get(user)
    if (!shadows) return undefined
    return Promise.all(
      Array.from(shadows, shadow => {
        shadow.close('device')
        return shadow.whenGone
      }),
    )
  }

  /** Name of the member that last sent for the shadow's client. */
  home(id: string): string | undefined {
    return this.#shadows.get(id)?.home
  }

  /** The handshake of a shadow. */
  originOf(id: string): Origin | undefined {
    return this.#shadows.get(id)?.origin
  }

  /** Closes a shadow because its client's connection has ended or is now served by this pod. */
  close(id: string, end: ShadowEnd): void {
    const shadow = this.#shadows.get(id)
    if (!shadow) return
    shadow.close(end)
    // Copies of its last messages may still be forwarded until then.
    if (end === 'sender') void shadow.whenGone.then(() => this.#options.onEnded(shadow.origin))
  }

  closeAll(end: ShadowEnd): void {
    for (const [, shadow] of this.#shadows) shadow.close(end)
  }

  stop(): void {
    this.#stopped = true
    clearInterval(this.#sweep)
    this.writers.stop()
    for (const [, shadow] of this.#shadows) shadow.terminate()
  }

  #writeTo(shadow: Shadow, routed: LocalMessage, taken: () => void): Promise<Answer> {
    if (routed.via !== undefined) shadow.home = routed.via
    this.#shadows.set(shadow.origin.id, shadow)
    return this.#write(routed, taken, shadow)
  }

  async #write(
    routed: LocalMessage,
    taken: () => void,
    to: Pick<Bridge, 'send'> & Fenceable,
    limit?: number,
  ): Promise<Answer> {
    this.writers.note(routed.user, to)
    const result = await to.send('upstream', routed.message, limit)
    if (result === 'sent') taken()
    return RESULTS[result]
  }

  /** Opens a shadow, or returns the reason why not. */
  #open(origin: Origin, home: string): Shadow | Answer {
    const { target, maxHandshakeBytes, maxShadows } = this.#options
    if (!origin.handshake) return UNINTRODUCED
    const introduction = readIntroduction(origin.handshake, maxHandshakeBytes)
    if (!introduction) return 'rejected'
    if (!target.memory.has(SHADOW_BYTES + origin.handshake.length)) {
      this.#evict()
      return A_MOMENT_AGO
    }
    if (this.#shadows.size >= maxShadows && !this.#evict()) return A_MOMENT_AGO
    const handshake = Buffer.from(origin.handshake)
    const { user, expected } = introduction
    const shadow: Shadow = new Shadow(
      { id: origin.id, handshake },
      user,
      home,
      target,
      {
        onReply: this.#options.onReply,
        onGone: (_shadow, end) => this.#gone(shadow, end),
      },
      async () => {
        this.#index(shadow)
        // The app would take the messages for those of another user: its session has changed since.
        if (expected !== undefined && expected !== (shadow.user ?? '')) throw new Error('another user')
        // Otherwise messages just written to another device of the same user would come back on this shadow.
        if (shadow.user !== undefined) await this.writers.settle(shadow.user, READY_MS)
      },
    )
    this.#shadows.set(origin.id, shadow)
    void shadow.opened.then(taken => this.#opened.inc({ result: taken ? 'opened' : 'failed' }))
    return shadow
  }

  /** Closes the least recently used shadow, and returns whether another one may open at once. */
  #evict(): boolean {
    let closing = 0
    for (const [, shadow] of this.#shadows) {
      if (shadow.state === 'closing') closing++
      else if (shadow.state === 'open') {
        shadow.close('evicted')
        closing++
        break
      }
    }
    // Closing shadows take time, so the total may reach twice the limit.
    return closing > 0 && this.#shadows.size < 2 * this.#options.maxShadows
  }

  #index(shadow: Shadow): void {
    if (shadow.user === undefined) return
    const shadows = this.#byUser.get(shadow.user)
    if (shadows) shadows.add(shadow)
    else this.#byUser.set(shadow.user, new Set([shadow]))
  }

  #gone(shadow: Shadow, end: ShadowEnd): void {
    const { id } = shadow.origin
    this.#shadows.delete(id)
    if (shadow.user !== undefined) {
      const shadows = this.#byUser.get(shadow.user)
      shadows?.delete(shadow)
      if (shadows?.size === 0) this.#byUser.delete(shadow.user)
    }
    if (end !== 'failed') this.#closed.inc({ reason: end })
    const unwanted = end === 'failed' || end === 'app' || end === 'broken'
    // A shadow that never carried a message would be reopened over and over for it, however long each attempt takes.
    const wasOfUse = shadow.usedAt > shadow.since && performance.now() - shadow.since >= REFUSED_MS
    if (unwanted && !wasOfUse) this.#refused.set(id, true)
  }

  #closeIdle(before: number): void {
    for (const [, shadow] of this.#shadows) {
      if (shadow.usedAt > before) return
      if (shadow.state === 'open') shadow.close('idle')
    }
  }
}
