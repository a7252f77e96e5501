import type { Metrics } from '../lib/service/metrics.ts'
import { withDeadline } from '../lib/wire/deadline.ts'
import type { Answer } from '../lib/wire/outcome.ts'
import type { Letter } from '../lib/wire/transport/transport.ts'
import type { LocalLetter } from './deliver.ts'
import { type Finder, isMiss } from './finder.ts'
import type { Whereabouts } from './whereabouts.ts'

export interface RelayOptions {
  readonly finder: Pick<Finder, 'member' | 'ask'>
  readonly whereabouts: Pick<Whereabouts, 'disprove'>
  /** The number of the next lane of this process. */
  readonly nextLane: () => number
  /** Longest time of one copy, in milliseconds. */
  readonly timeoutMs: number
  /** Bytes of copies that may be on their way or wait; what is more is dropped. */
  readonly maxBytes: number
  readonly metrics: Metrics
}

/** Copies for one user, in their order. */
interface Queue {
  readonly lane: number
  readonly letters: { readonly letter: LocalLetter; readonly member: string }[]
}

const LETTER_OVERHEAD_BYTES = 256

const bytesOf = (letter: LocalLetter): number => letter.message.data.length + LETTER_OVERHEAD_BYTES

/**
 * Sends copies of messages to further members, for users who have connections here and there. The outcome of a message is that
 * of its delivery here; of copies it is only counted what became of them. One user's copies go one after the other.
 */
export class Relay {
  readonly #options: RelayOptions
  readonly #queues = new Map<string, Queue>()
  #bytes = 0
  readonly #counter

  constructor(options: RelayOptions) {
    this.#options = options
    this.#counter = options.metrics.counter(
      'messages_copied_total',
      'Copies of messages for users who are connected here and at another pod, by what became of them.',
      { labelNames: ['result'] },
    )
    for (const result of ['delivered', 'lost', 'dropped']) this.#counter.inc({ result }, 0)
  }

  copy(member: string, letter: LocalLetter): void {
    const bytes = bytesOf(letter)
    if (this.#bytes + bytes > this.#options.maxBytes) {
      this.#counter.inc({ result: 'dropped' })
      return
    }
    this.#bytes += bytes
    const queue = this.#queues.get(letter.user)
    if (queue) {
      queue.letters.push({ letter, member })
      return
    }
    const started: Queue = { lane: this.#options.nextLane(), letters: [{ letter, member }] }
    this.#queues.set(letter.user, started)
    void this.#work(letter.user, started)
  }

  async #work(user: string, queue: Queue): Promise<void> {
    const { finder, whereabouts, timeoutMs } = this.#options
    for (let next = queue.letters.shift(); next; next = queue.letters.shift()) {
      const { letter, member } = next
      const copy: Letter = { ...letter, lane: queue.lane, start: true }
      const answer = await withDeadline<Answer>(timeoutMs, 'timeout', deadline =>
        finder.ask(finder.member(member), copy, deadline),
      )
      if (isMiss(answer)) whereabouts.disprove(user, member)
      this.#counter.inc({ result: answer === 'delivered' ? 'delivered' : 'lost' })
      this.#bytes -= bytesOf(letter)
    }
    this.#queues.delete(user)
  }
}
