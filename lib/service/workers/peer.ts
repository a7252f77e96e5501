import type { Worker } from 'node:cluster'
import { cpuTicks } from './cpu-ticks.ts'
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts'
import { nextSilence, type Silence, type Stall, stallOf } from './stall.ts'

/** Longest time a worker may take to answer, in milliseconds: less than the kubelet's probes wait. */
const ANSWER_MS = 1000

/** How a worker ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not start, where it said so. */
  readonly failure: Error | undefined
  /** Why it was killed by its primary, where it was. */
  readonly stall: Stall | undefined
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
  #stall: Stall | undefined
  /** Since the latest check that found that something had come. */
  #silence: Silence | undefined
  readonly #worker: Worker
  readonly #waiting = new Map<number, (answer: Answers[Question] | undefined) => void>()

  constructor(worker: Worker) {
    this.#worker = worker
    this.id = worker.id
    worker.on('message', (message: FromWorker) => this.#receive(message))
    const ended = Promise.withResolvers<Pick<End, 'code' | 'signal'>>()
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
      return { ...end, failure: this.#failure, stall: this.#stall }
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

  /** Looks for a sign of life since the last such call. A worker that has given none for too long is killed; returns why. */
  check(): Stall | undefined {
    const { pid } = this.#worker.process
    this.#silence = nextSilence(this.#silence, pid === undefined ? undefined : cpuTicks(pid))
    this.#stall ??= stallOf(this.#silence, this.listening)
    if (this.#stall) this.kill()
    else void this.ask('readiness')
    return this.#stall
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
    this.#silence = undefined
    if ('failed' in message) this.#failure = Object.assign(new Error(), message.failed)
    else this.#waiting.get(message.id)?.(message.answer)
  }
}
