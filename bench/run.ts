import type { BenchCase } from './cases/case.ts'
import { type Conditions, measureOnce } from './measurement.ts'
import type { Peer } from './peers/peer.ts'
import { Results } from './report/results.ts'
import { format } from './report/table.ts'

/** One measurement of many. */
export interface Step {
  /** From 0. */
  readonly repetition: number
  readonly item: BenchCase
  readonly peer: Peer
}

export interface Progress extends Step {
  readonly done: number
  readonly total: number
  readonly outcome: string
  readonly leftMs: number
}

/**
 * The order of a run: peers of a case one after the other, so that what the machine does besides meets all of them; in each
 * repetition another one begins, so that none always follows the same one.
 */
export function stepsOf(cases: readonly BenchCase[], peers: readonly Peer[], repetitions: number): Step[] {
  return Array.from({ length: repetitions }, (_, repetition) =>
    cases.flatMap(item => {
      const able = peers.filter(({ shape, name }) => shape === item.shape && !(item.needsProxy && name === 'direct'))
      return able.map((_, i) => ({ repetition, item, peer: able[(i + repetition) % able.length]! }))
    }),
  ).flat()
}

/**
 * Measures everything. What cannot be measured is a failure in the results, and the rest goes on.
 *
 * @param signal ends it at once
 * @throws when it was ended by `signal`
 */
export async function runAll(
  { cases, peers, options }: { cases: readonly BenchCase[]; peers: readonly Peer[]; options: { repetitions: number } },
  conditions: Conditions,
  signal: AbortSignal,
  onProgress: (progress: Progress) => void,
): Promise<Results> {
  const results = new Results()
  const steps = stepsOf(cases, peers, options.repetitions)
  const started = performance.now()
  for (const [i, step] of steps.entries()) {
    const { repetition, item, peer } = step
    let outcome: string
    try {
      const report = await measureOnce(item, peer, conditions, signal)
      results.add(repetition, item.name, peer.name, report)
      outcome = item.figures
        .filter(({ key }) => report.figures[key] !== undefined)
        .map(({ key, title }) => `${title} ${format(report.figures[key]!)}`)
        .join(', ')
      const wrong = Object.entries(report.errors).filter(([, count]) => count > 0)
      if (wrong.length > 0) outcome += `, WRONG: ${wrong.map(([kind, count]) => `${count} ${kind}`).join(', ')}`
    } catch (error) {
      signal.throwIfAborted()
      outcome = `FAILED: ${(error as Error).message}`
      results.addFailure(item.name, peer.name, (error as Error).message)
    }
    const done = i + 1
    const leftMs = ((performance.now() - started) / done) * (steps.length - done)
    onProgress({ ...step, done, total: steps.length, outcome, leftMs })
  }
  return results
}
