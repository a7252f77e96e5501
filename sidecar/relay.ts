import type { Metrics } from '../lib/service/metrics.ts'
import { withDeadline } from '../lib/wire/deadline.ts'
import { detach } from '../lib/wire/message.ts'
import type { Answer } from '../lib/wire/outcome.ts'
import type { Letter } from '../lib/wire/transport/transport.ts'
import type { LocalLetter } from './deliver.ts'
import { type Finder, isMiss } from './finder.ts'
import type { Whereabouts } from './whereabouts.ts'

export interface RelayOptions {
  readonly finder: Pick<Finder, 'member' | 'ask'>
  readonly whereabouts: Pick<Whereabouts, 'absent'>
  /** The number of the next lane of this process. */
  readonly nextLane: () => number
  /** Longest time of one copy, in milliseconds. */
  readonly timeoutMs: number
  /** Bytes of copies that may be on their way or wait; what is more is dropped. */
  readonly maxBytes: number
  readonly metrics: Metrics
}

/** Copies for one user to one member, in their order. */
interface Queue {
  readonly lane: number
  readonly letters: LocalLetter[]
}

const LETTER_OVERHEAD_BYTES = 256

const bytesOf = (letter: LocalLetter): number => letter.message.data.length + LETTER_OVERHEAD_BYTES

/**
 * Sends copies of messages to further members, for users who have connections here and there. The outcome of a message is that
 * of its delivery here; of copies it is only counted what became of them. One user's copies to one member go one after the other.
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
    for (const result of ['delivered', 'nobody', 'lost', 'dropped']) this.#counter.inc({ result }, 0)
  }

  copy(member: string, letter: LocalLetter): void {
    const bytes = bytesOf(letter)
    if (this.#bytes + bytes > this.#options.maxBytes) {
      this.#counter.inc({ result: 'dropped' })
      return
    }
    this.#bytes += bytes
    const kept = { ...letter, message: detach(letter.message) }
    // No user has this character in their name.
    const way = `${letter.user}\0${member}`
    const queue = this.#queues.get(way)
    if (queue) {
      queue.letters.push(kept)
      return
    }
    const started: Queue = { lane: this.#options.nextLane(), letters: [kept] }
    this.#queues.set(way, started)
    void this.#work(way, member, started)
  }

  async #work(way: string, name: string, { lane, letters }: Queue): Promise<void> {
    const { finder, whereabouts, timeoutMs } = this.#options
    for (let letter = letters.shift(); letter; letter = letters.shift()) {
      const copy: Letter = { ...letter, lane, start: true }
      const asked = performance.now()
      const answer = await withDeadline<Answer>(timeoutMs, 'timeout', deadline =>
        finder.ask(finder.member(name), copy, deadline),
      )
      if (isMiss(answer)) whereabouts.absent(letter.user, name, asked)
      this.#counter.inc({ result: resultOf(answer) })
      this.#bytes -= bytesOf(letter)
    }
    this.#queues.delete(way)
  }
}

/** A pod that has no further connection of the user, though it could have had, has lost nothing. */
function resultOf(answer: Answer): 'delivered' | 'nobody' | 'lost' {
  if (answer === 'delivered') return answer
  return answer === 'offline' ? 'nobody' : 'lost'
}
