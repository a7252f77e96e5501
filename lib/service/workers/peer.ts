import type { Worker } from 'node:cluster'
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts'

/** Longest time a worker may take to answer, in milliseconds: less than the kubelet's probes wait. */
const ANSWER_MS = 1000

/** How a worker ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not start, where it said so. */
  readonly failure: Error | undefined
}

/** One worker, as the primary sees it. */
export class Peer {
  readonly id: number
  readonly since = performance.now()
  /** Resolves when the process has ended; never rejects. */
  readonly ended: Promise<End>
  listening = false
  #failure: Error | undefined
  #asked = 0
  /** Checks in a row that found no sign of life. */
  #silent = 0
  readonly #worker: Worker
  readonly #waiting = new Map<number, (answer: Answers[Question] | undefined) => void>()

  constructor(worker: Worker) {
    this.#worker = worker
    this.id = worker.id
    worker.on('message', (message: FromWorker) => this.#receive(message))
    const ended = Promise.withResolvers<Omit<End, 'failure'>>()
    worker.process.once('exit', (code, signal) => ended.resolve({ code, signal }))
    // The worker's own event: one that nobody listens to would end this process.
    worker.on('error', error => {
      // A process that could not even be started; from one that runs, what matters is how it ends.
      if (worker.process.pid !== undefined) return
      this.#failure = error
      ended.resolve({ code: null, signal: null })
    })
    this.ended = ended.promise.then(end => {
      for (const answer of this.#waiting.values()) answer(undefined)
      return { ...end, failure: this.#failure }
    })
  }

  /** Asks the worker; `undefined` if it does not answer within a second. */
  async ask<Q extends Question>(question: Q): Promise<Answers[Q] | undefined> {
    const id = this.#asked++
    const answer = Promise.withResolvers<Answers[Question] | undefined>()
    this.#waiting.set(id, answer.resolve)
    const timer = setTimeout(answer.resolve, ANSWER_MS, undefined)
    this.#send({ ask: question, id })
    const result = await answer.promise
    clearTimeout(timer)
    this.#waiting.delete(id)
    return result as Answers[Q] | undefined
  }

  /** Looks for a sign of life since the last such call; returns how many calls in a row have found none. */
  check(): number {
    void this.ask('readiness')
    return this.#silent++
  }

  drain(deadline: number): void {
    this.#send({ drain: deadline })
  }

  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  #send(message: ToWorker): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => {})
  }

  #receive(message: FromWorker): void {
    this.#silent = 0
    if ('failed' in message) this.#failure = Object.assign(new Error(), message.failed)
    else this.#waiting.get(message.id)?.(message.answer)
  }
}
