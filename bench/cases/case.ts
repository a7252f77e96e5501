import type { Client, Job } from '../load/job.ts'
import type { Peer } from '../peers/peer.ts'

/** Something that is measured in a case. */
export interface Figure {
  /** As in a {@link Report}. */
  readonly key: string
  readonly title: string
  /** Whether the overview and the comparison with nginx show it; it needs a proxy then. */
  readonly compared: boolean
}

/** How much of everything. */
export interface Effort {
  /** Same traffic before measuring, in seconds. */
  readonly warmup: number
  /** Measured, in seconds. */
  readonly seconds: number
  /** Connections of the idle case. */
  readonly idleConnections: number
}

/** What a job is about: ports for the clients, and the processes that are measured. */
export interface Target {
  readonly ports: readonly number[]
  readonly pids: readonly number[]
}

/** One row of the comparison. */
export interface BenchCase {
  readonly name: string
  readonly title: string
  readonly shape: Peer['shape']
  readonly figures: readonly Figure[]
  /** Nothing can be measured without a proxy. */
  readonly needsProxy?: boolean
  /** Case of nginx that this one is compared with, if not the same. */
  readonly reference?: string
  job(target: Target, effort: Effort): Job
}

/** Figures that all traffic has. */
export const RATES: readonly Figure[] = [
  { key: 'perCpuSecond', title: 'per CPU-second', compared: true },
  { key: 'perSecond', title: 'per second', compared: false },
  { key: 'cpuShare', title: 'share of a core', compared: false },
]

/** Users, spread over the ports. */
export const clientsOf = (ports: readonly number[], count: number): Client[] =>
  Array.from({ length: count }, (_, n) => ({ user: `user-${n}`, port: ports[n % ports.length]! }))

export const common = ({ pids }: Target, { warmup, seconds }: Effort) => ({
  pids,
  warmupMs: warmup * 1000,
  measureMs: seconds * 1000,
})
