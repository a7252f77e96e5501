import type { Member } from '../../lib/routing/members.ts'
import type { MemoryAccount } from '../../lib/service/memory/budget.ts'
import type { Metrics } from '../../lib/service/metrics.ts'
import { detach } from '../../lib/websocket/message.ts'
import type { LocalMessage } from '../receive/local-message.ts'
import { deadlineIn } from '../transport/deadline.ts'
import type { Answer } from '../transport/outcome.ts'
import type { Origin, RoutedMessage, Transport } from '../transport/transport.ts'
import { type Finder, isMiss } from './finder.ts'
import type { LocationCache } from './location-cache.ts'

export interface RelayOptions {
  readonly finder: Pick<Finder, 'member' | 'askAlone'>
  readonly transport: Pick<Transport, 'pipelines'>
  readonly locationCache: Pick<LocationCache, 'absent'>
  /** A sender's connection with its handshake, as far as this pod knows it. */
  readonly origin: (id: string) => Origin | undefined
  /** Number of the next lane of this process. */
  readonly nextLane: () => number
  /** Time limit of one copy, in milliseconds. */
  readonly timeoutMs: number
  /** How long a copy waits for a member that does not know this one yet, in milliseconds. */
  readonly waitMs: number
  /** Maximum number of bytes of copies in flight or waiting; further copies are dropped. */
  readonly maxBytes: number
  /** Memory account of the copies. */
  readonly memory?: Pick<MemoryAccount, 'change'>
  readonly metrics: Metrics
}

/** Copies for one user to one member, in order. */
interface CopyQueue {
  readonly lane: number
  readonly member: string
  readonly waiting: LocalMessage[]
  /** Number of copies in flight. */
  moving: number
}

const COPY_OVERHEAD_BYTES = 256

/** Pause before a copy is sent again to a member that did not know us, in milliseconds. */
const PAUSE_MS = 200

const bytesOf = (routed: LocalMessage): number => routed.message.data.length + COPY_OVERHEAD_BYTES

/**
 * Sends copies of messages to further members, for users connected to several pods. A message's outcome is that of its
 * local delivery; results of copies are only counted. One user's copies to one member keep their order, and are
 * pipelined if the transport keeps it: once the user has left here, direct messages to that member must not overtake
 * them.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #queues = new Map<string, CopyQueue>()
  #bytes = 0
  readonly #counter

  constructor(options: RelayOptions) {
    this.#options = options
    this.#counter = options.metrics.counter(
      'messages_copied_total',
      'Copies of messages for users connected to this and another pod, by result.',
      { labelNames: ['result'] },
    )
    for (const result of ['delivered', 'nobody', 'lost', 'dropped']) this.#counter.inc({ result }, 0)
  }

  copy(member: string, routed: LocalMessage): void {
    const bytes = bytesOf(routed)
    if (this.#bytes + bytes > this.#options.maxBytes) {
      this.#counter.inc({ result: 'dropped' })
      return
    }
    this.#change(bytes)
    const kept = { ...routed, message: detach(routed.message) }
    // User names cannot contain this character.
    const name = `${routed.user}\0${member}`
    const queue = this.#queues.get(name) ?? { lane: this.#options.nextLane(), member, waiting: [], moving: 0 }
    this.#queues.set(name, queue)
    queue.waiting.push(kept)
    this.#advance(name, queue)
  }

  #advance(name: string, queue: CopyQueue): void {
    const { finder, transport } = this.#options
    const member = finder.member(queue.member)
    // A copy delivered as its sender's may have to be sent twice.
    const follows = ({ deliver }: LocalMessage) =>
      deliver !== 'sender' && member !== undefined && transport.pipelines(member)
    for (let routed = queue.waiting[0]; routed && (queue.moving === 0 || follows(routed)); routed = queue.waiting[0]) {
      queue.waiting.shift()
      queue.moving++
      void this.#send(routed, member, queue).then(() => this.#advance(name, queue))
    }
    // A new queue with this name may have been created since this one finished.
    if (queue.moving === 0 && this.#queues.get(name) === queue) this.#queues.delete(name)
  }

  async #send(routed: LocalMessage, target: Member | undefined, queue: CopyQueue): Promise<void> {
    const { finder, locationCache, origin, timeoutMs, waitMs } = this.#options
    const sender = routed.origin && (origin(routed.origin.id) ?? routed.origin)
    const copy: RoutedMessage = { ...routed, origin: sender, lane: queue.lane, start: true }
    let asked = performance.now()
    const until = asked + waitMs
    let answer = await finder.askAlone(target, copy, deadlineIn(timeoutMs))
    while (typeof answer === 'object' && answer.refused && performance.now() < until) {
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
      asked = performance.now()
      answer = await finder.askAlone(target, copy, deadlineIn(timeoutMs))
    }
    if (isMiss(answer)) locationCache.absent(routed.user, queue.member, asked)
    this.#counter.inc({ result: resultOf(answer) })
    this.#change(-bytesOf(routed))
    queue.moving--
  }

  #change(bytes: number): void {
    this.#bytes += bytes
    this.#options.memory?.change(bytes)
  }
}

/** A pod without a further connection of the user, though it might have had one, has lost nothing. */
function resultOf(answer: Answer): 'delivered' | 'nobody' | 'lost' {
  if (answer === 'delivered') return answer
  return answer === 'offline' ? 'nobody' : 'lost'
}
