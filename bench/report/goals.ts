import { REFERENCE } from '../peers/peers.ts'
import type { Results } from './results.ts'
import { ratioOf, type Spread, spreadOf } from './stats.ts'

/** What we want of ourselves. */
export interface Goal {
  readonly case: string
  readonly peer: string
  readonly figure: string
  /** Case of nginx that the figure is divided by; `undefined`: the figure itself counts. */
  readonly relativeTo: string | undefined
  readonly sense: 'at least' | 'at most'
  readonly bound: number
  readonly stretch: number
}

const throughput = (name: string, bound: number, stretch: number): Goal => ({
  case: name,
  peer: 'ours',
  figure: 'perCpuSecond',
  relativeTo: name,
  sense: 'at least',
  bound,
  stretch,
})

const latency = (figure: string, bound: number): Goal => ({
  ...throughput('open-loop', bound, 1),
  figure,
  sense: 'at most',
})

const memory = (figure: string): Goal => ({
  ...throughput('idle', 12 * 1024, 9 * 1024),
  figure,
  relativeTo: undefined,
  sense: 'at most',
})

/** Sidecars are compared with nginx as a proxy of the same messages. */
const sidecars = (name: string, peer: string, relativeTo: string, bound: number, stretch = bound): Goal => ({
  ...throughput(name, bound, stretch),
  peer,
  relativeTo,
})

export const GOALS: readonly Goal[] = [
  throughput('echo-1x128', 0.5, 0.6),
  throughput('echo-16x128', 0.5, 0.6),
  throughput('echo-1x4096', 1, 1.15),
  throughput('echo-16x4096', 2.2, 2.6),
  throughput('handshakes', 0.42, 0.55),
  latency('p50', 1.15),
  latency('p99', 1.5),
  memory('pssConnected'),
  memory('pssEchoed'),
  sidecars('echo-1x128', 'sidecar', 'echo-1x128', 0.54),
  sidecars('echo-16x128', 'sidecar', 'echo-16x128', 0.375),
  sidecars('addressed-16', 'pods', 'echo-16x128', 0.043, 0.086),
]

export type Verdict = 'stretch reached' | 'reached' | 'missed within the spread' | 'missed'

/** A goal, what was measured, and whether that is enough. */
export interface Judgement {
  readonly goal: Goal
  readonly measured: Spread
  readonly verdict: Verdict
}

/** @returns `undefined` where a figure is missing */
export function judge(goal: Goal, results: Results): Judgement | undefined {
  const series = results.series(goal.case, goal.peer, goal.figure)
  const measured =
    goal.relativeTo === undefined
      ? spreadOf(series.filter(value => value !== undefined))
      : ratioOf(series, results.series(goal.relativeTo, REFERENCE, goal.figure))
  return measured && { goal, measured, verdict: verdictOf(goal, measured) }
}

export function verdictOf({ sense, bound, stretch }: Goal, { median, min, max }: Spread): Verdict {
  const meets = (value: number, wanted: number) => (sense === 'at least' ? value >= wanted : value <= wanted)
  if (meets(median, bound)) return stretch !== bound && meets(median, stretch) ? 'stretch reached' : 'reached'
  // It misses by less than what the repetitions differ by.
  return Math.abs(median - bound) < max - min ? 'missed within the spread' : 'missed'
}
