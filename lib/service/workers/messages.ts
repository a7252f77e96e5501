import type { Registry } from 'prom-client'

/** All metrics of one process, as they are now. */
export type Snapshot = Awaited<ReturnType<Registry['getMetricsAsJSON']>>

/** What the primary asks its workers, and what they answer. */
export interface Answers {
  /** `reason` is `undefined` when the worker is ready. */
  readiness: { readonly reason: string | undefined }
  metrics: { readonly snapshot: Snapshot }
}

export type Question = keyof Answers

/** From the primary to a worker. `drain`: hand everything over or end it by then (ms since the epoch), and leave. */
export type ToWorker = { readonly ask: Question; readonly id: number } | { readonly drain: number }

/** From a worker to the primary. `failed`: it cannot start, and this is the error's message and stack. */
export type FromWorker =
  | { readonly id: number; readonly answer: Answers[Question] }
  | { readonly failed: { readonly message: string; readonly stack: string | undefined } }
