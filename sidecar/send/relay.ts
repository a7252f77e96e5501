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
  /** The number of the next lane of this process. */
  readonly nextLane: () => number
  /** Longest time of one copy, in milliseconds. */
  readonly timeoutMs: number
  /** How long a copy waits for a member that does not know this one yet, in milliseconds. */
  readonly waitMs: number
  /** Bytes of copies that may be on their way or wait; what is more is dropped. */
  readonly maxBytes: number
  /** Of the memory that they take. */
  readonly memory?: Pick<MemoryAccount, 'change'>
  readonly metrics: Metrics
}

/** Copies for one user to one member, in their order. */
interface Way {
  readonly lane: number
  readonly member: string
  readonly waiting: LocalMessage[]
  /** Copies that are under way. */
  moving: number
}

const LETTER_OVERHEAD_BYTES = 256

/** Before a member that did not know us is sent a copy again, in milliseconds. */
const PAUSE_MS = 200

const bytesOf = (routed: LocalMessage): number => routed.message.data.length + LETTER_OVERHEAD_BYTES

/**
 * Sends copies of messages to further members, for users who have connections here and there. The outcome of a message is that
 * of its delivery here; of copies it is only counted what became of them. One user's copies to one member keep their order, and follow each other
 * at once where the transport keeps it: what goes to the member directly must not overtake them when the user has left here.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #ways = new Map<string, Way>()
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
    // No user has this character in their name.
    const name = `${routed.user}\0${member}`
    const way = this.#ways.get(name) ?? { lane: this.#options.nextLane(), member, waiting: [], moving: 0 }
    this.#ways.set(name, way)
    way.waiting.push(kept)
    this.#advance(name, way)
  }

  #advance(name: string, way: Way): void {
    const { finder, transport } = this.#options
    const member = finder.member(way.member)
    // One that is delivered as its sender's may have to be sent twice.
    const follows = ({ deliver }: LocalMessage) =>
      deliver !== 'sender' && member !== undefined && transport.pipelines(member)
    for (let routed = way.waiting[0]; routed && (way.moving === 0 || follows(routed)); routed = way.waiting[0]) {
      way.waiting.shift()
      way.moving++
      void this.#send(routed, member, way).then(() => this.#advance(name, way))
    }
    // Another one of that name may have been begun since this one was done.
    if (way.moving === 0 && this.#ways.get(name) === way) this.#ways.delete(name)
  }

  async #send(routed: LocalMessage, target: Member | undefined, way: Way): Promise<void> {
    const { finder, locationCache, origin, timeoutMs, waitMs } = this.#options
    const sender = routed.origin && (origin(routed.origin.id) ?? routed.origin)
    const copy: RoutedMessage = { ...routed, origin: sender, lane: way.lane, start: true }
    let asked = performance.now()
    const until = asked + waitMs
    let answer = await finder.askAlone(target, copy, deadlineIn(timeoutMs))
    while (typeof answer === 'object' && answer.refused && performance.now() < until) {
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
      asked = performance.now()
      answer = await finder.askAlone(target, copy, deadlineIn(timeoutMs))
    }
    if (isMiss(answer)) locationCache.absent(routed.user, way.member, asked)
    this.#counter.inc({ result: resultOf(answer) })
    this.#change(-bytesOf(routed))
    way.moving--
  }

  #change(bytes: number): void {
    this.#bytes += bytes
    this.#options.memory?.change(bytes)
  }
}

/** A pod that has no further connection of the user, though it could have had, has lost nothing. */
function resultOf(answer: Answer): 'delivered' | 'nobody' | 'lost' {
  if (answer === 'delivered') return answer
  return answer === 'offline' ? 'nobody' : 'lost'
}
