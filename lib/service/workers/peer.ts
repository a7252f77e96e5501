import type { Worker } from 'node:cluster'
import { cpuTicks } from './cpu-ticks.ts'
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts'
import { nextSilence, type Silence, type Stall, stallOf } from './stall.ts'

/** Longest time for a worker to answer, in milliseconds; shorter than the timeout of the kubelet's probes. */
const ANSWER_MS = 1000

/** How a worker ended. */
export interface End {
  readonly code: number | null
  readonly signal: string | null
  /** Why it could not start, if it reported that. */
  readonly failure: Error | undefined
  /** Why its primary killed it, if it did. */
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
  /** Since the last check that found a message of the worker. */
  #silence: Silence | undefined
  readonly #worker: Worker
  readonly #waiting = new Map<number, (answer: Answers[Question] | undefined) => void>()

  constructor(worker: Worker) {
    this.#worker = worker
    this.id = worker.id
    worker.on('message', (message: FromWorker) => this.#receive(message))
    const ended = Promise.withResolvers<Pick<End, 'code' | 'signal'>>()
    worker.process.once('exit', (code, signal) => ended.resolve({ code, signal }))
    // The worker's own event, which would end this process without a listener.
    worker.on('error', error => {
      // The process could not be started; for a running worker only its exit matters.
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

  /**
   * Checks for a sign of life since the previous call. Kills a worker that has been silent for too long; returns the
   * reason.
   */
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
