import type { Member } from '../../../lib/routing/members.ts'
import type { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { deadlineIn } from '../../transport/deadline.ts'
import { type Answer, OUTCOMES, type Outcome } from '../../transport/outcome.ts'
import type { RoutedMessage, Transport } from '../../transport/transport.ts'
import type { Shadow } from './shadow.ts'

/** Pause before a client that is being moved is looked for again; it doubles, up to the longest. In milliseconds. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 400

/** What a reply costs beyond its payload, in bytes, so that empty ones are not free. */
const REPLY_OVERHEAD_BYTES = 256

export interface RepliesOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly transport: Pick<Transport, 'send'>
  /** A member by its name; `undefined`: none that may be asked. */
  readonly member: (name: string) => Member | undefined
  /** Hands a reply to a client of this pod. */
  readonly deliver: (routed: RoutedMessage) => Answer | Promise<Answer>
  /** The number of the next lane of this process. */
  readonly nextLane: () => number
  /** Longest time of one attempt, and for a client that cannot be found, in milliseconds. */
  readonly timeoutMs: number
  readonly waitMs: number
  /** Bytes of one shadow that may wait before its app is no longer read; fewer while memory is short. */
  readonly maxQueueBytes: () => number
  readonly metrics: Metrics
}

/** What the app has written on one shadow. */
interface Queue {
  readonly lane: number
  readonly waiting: Message[]
  bytes: number
  held: boolean
  busy: boolean
}

/** Takes what the app writes on shadows to the clients that they stand for, in order; each ends in exactly one counted outcome. */
export class Replies {
  readonly #options: RepliesOptions
  readonly #queues = new WeakMap<Shadow, Queue>()
  readonly #counter

  constructor(options: RepliesOptions) {
    this.#options = options
    this.#counter = options.metrics.counter(
      'sender_replies_total',
      'Messages of the app on connections of senders of other pods, by outcome.',
      { labelNames: ['outcome'] },
    )
    for (const outcome of [...OUTCOMES, 'dropped']) this.#counter.inc({ outcome }, 0)
  }

  /** Counts a reply that nobody wants. */
  drop(): void {
    this.#counter.inc({ outcome: 'dropped' })
  }

  push(shadow: Shadow, message: Message): void {
    const queue = this.#queueOf(shadow)
    queue.waiting.push(message)
    const bytes = message.data.length + REPLY_OVERHEAD_BYTES
    queue.bytes += bytes
    shadow.charge(bytes)
    if (!queue.held && queue.bytes > this.#options.maxQueueBytes()) {
      queue.held = true
      shadow.hold()
    }
    if (queue.busy) return
    queue.busy = true
    void this.#run(shadow, queue)
  }

  #queueOf(shadow: Shadow): Queue {
    let queue = this.#queues.get(shadow)
    if (!queue) {
      queue = { lane: this.#options.nextLane(), waiting: [], bytes: 0, held: false, busy: false }
      this.#queues.set(shadow, queue)
    }
    return queue
  }

  async #run(shadow: Shadow, queue: Queue): Promise<void> {
    for (let message = queue.waiting[0]; message; message = queue.waiting[0]) {
      const outcome = await this.#carry(shadow, queue.lane, message)
      // Those behind one whose client was looked for in vain would wait as long each.
      const inVain = outcome === 'offline' || outcome === 'no_owner'
      for (const { data } of queue.waiting.splice(0, inVain ? queue.waiting.length : 1)) {
        this.#counter.inc({ outcome })
        const bytes = data.length + REPLY_OVERHEAD_BYTES
        queue.bytes -= bytes
        shadow.charge(-bytes)
      }
      if (queue.held && queue.bytes <= this.#options.maxQueueBytes() / 2) {
        queue.held = false
        shadow.release()
      }
      // There is nobody any more to whom it could go, and nobody to say so.
      if (outcome === 'offline') shadow.close('sender')
    }
    queue.busy = false
  }

  /** Follows the client to where it is. */
  async #carry(shadow: Shadow, lane: number, message: Message): Promise<Outcome> {
    const { waitMs } = this.#options
    const routed: RoutedMessage = {
      user: shadow.origin.id,
      deliver: 'reply',
      message,
      lane,
      start: true,
      deliveredTo: undefined,
    }
    const began = performance.now()
    let verdict: Outcome = 'offline'
    /** Since the last pause. */
    const members = new Set<string>()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      const asked = shadow.home
      members.add(asked)
      const answer = await this.#ask(asked, routed)
      if (typeof answer !== 'string') {
        verdict = 'offline'
        if (answer.member === asked) return verdict
        // What came last from the sender itself is newer than what others say.
        if (answer.member !== undefined && shadow.home === asked) shadow.home = answer.member
      } else if (answer === 'no_owner') verdict = answer
      else if (answer !== 'offline' || shadow.home === asked) return answer
      if (performance.now() - began >= waitMs) return verdict
      // Two that point to each other would be asked without a pause.
      if (!members.has(shadow.home)) continue
      await new Promise(resolve => setTimeout(resolve, pauseMs))
      members.clear()
    }
  }

  #ask(name: string, routed: RoutedMessage): Answer | Promise<Answer> {
    const { self, transport, member, deliver, timeoutMs } = this.#options
    if (name === self) return deliver(routed)
    const target = member(name)
    return target ? transport.send(target, routed, deadlineIn(timeoutMs)) : 'no_owner'
  }
}
