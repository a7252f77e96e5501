import type { Registry } from 'prom-client'

/** All metrics of one process at one moment. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** Questions of the primary to its workers, with the type of each answer. */
export interface Answers {
  /** `reason` is `undefined` when the worker is ready. */
  readiness: { readonly reason: string | undefined }
  metrics: { readonly snapshot: Snapshot }
}

export type Question = keyof Answers

/** From the primary to a worker. `drain`: hand over or end all work by then (ms since the epoch), and exit. */
export type ToWorker = { readonly ask: Question; readonly id: number } | { readonly drain: number }

/** From a worker to the primary. `failed`: the worker cannot start, with the error's message and stack. */
export type FromWorker =
  | { readonly id: number; readonly answer: Answers[Question] }
  | { readonly failed: { readonly message: string; readonly stack: string | undefined } }
