import type { Member } from '../../../lib/routing/members.ts'
import type { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { deadlineIn } from '../../transport/deadline.ts'
import { type Answer, OUTCOMES, type Outcome } from '../../transport/outcome.ts'
import type { RoutedMessage, Transport } from '../../transport/transport.ts'
import { replyStep } from './reply-step.ts'
import type { Shadow } from './shadow.ts'

/** Pause before a client that is being moved is looked for again, in milliseconds; it doubles up to the longest. */
const FIRST_PAUSE_MS = 20
const LONGEST_PAUSE_MS = 400

/** Cost of a reply beyond its payload, in bytes, so that empty replies are not free. */
const REPLY_OVERHEAD_BYTES = 256

export interface RepliesOptions {
  /** This sidecar's own member name. */
  readonly self: string
  readonly transport: Pick<Transport, 'send'>
  /** The member with this name; `undefined` if it must not be asked. */
  readonly member: (name: string) => Member | undefined
  /** Delivers a reply to a client of this pod. */
  readonly deliver: (routed: RoutedMessage) => Answer | Promise<Answer>
  /** Number of the next lane of this process. */
  readonly nextLane: () => number
  /** Time limit for one attempt, and for a client that cannot be found (`waitMs`), in milliseconds. */
  readonly timeoutMs: number
  readonly waitMs: number
  /** Maximum number of waiting bytes per shadow before its app is no longer read; fewer while memory is short. */
  readonly maxQueueBytes: () => number
  readonly metrics: Metrics
}

/** The app's pending replies on one shadow. */
interface Queue {
  readonly lane: number
  readonly waiting: Message[]
  bytes: number
  held: boolean
  busy: boolean
}

/** Carries the app's replies on shadows to their clients, in order; each ends in exactly one counted outcome. */
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

  /** Counts a reply that is discarded by policy. */
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
      // Replies behind one whose client could not be found would each wait as long.
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
      // The client is gone, and no pod will report that, so the shadow ends here.
      if (outcome === 'offline') shadow.close('sender')
    }
    queue.busy = false
  }

  /** Follows the client to its current pod. */
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
    /** Members asked since the last pause. */
    const members = new Set<string>()
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * pauseMs)) {
      const asked = shadow.home
      members.add(asked)
      const answer = await this.#ask(asked, routed)
      const step = replyStep(answer, asked, shadow.home)
      if ('outcome' in step) return step.outcome
      verdict = step.verdict ?? verdict
      shadow.home = step.location ?? shadow.home
      if (performance.now() - began >= waitMs) return verdict
      // Without a pause, two members that point to each other would be asked in a tight loop.
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
