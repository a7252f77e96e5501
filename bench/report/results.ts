import { type Errors, noErrors, type Report } from '../load/job.ts'
import type { Series } from './stats.ts'

/** All that a run has measured. */
export class Results {
  readonly #reports = new Map<string, (Report | undefined)[]>()
  readonly #failures = new Map<string, string[]>()

  /** @param repetition from 0 */
  add(repetition: number, caseName: string, peer: string, report: Report): void {
    const key = `${caseName} ${peer}`
    const reports = this.#reports.get(key) ?? []
    reports[repetition] = report
    this.#reports.set(key, reports)
  }

  /** Something that could not be measured, and why. */
  addFailure(caseName: string, peer: string, reason: string): void {
    const key = `${caseName} ${peer}`
    this.#failures.set(key, [...(this.#failures.get(key) ?? []), reason])
  }

  has(caseName: string, peer: string): boolean {
    return this.#reports.has(`${caseName} ${peer}`) || this.#failures.has(`${caseName} ${peer}`)
  }

  series(caseName: string, peer: string, figure: string): Series {
    // Repetitions that failed are holes, which `map` would skip.
    return Array.from(this.#reports.get(`${caseName} ${peer}`) ?? [], report => report?.figures[figure])
  }

  failures(caseName: string, peer: string): readonly string[] {
    return this.#failures.get(`${caseName} ${peer}`) ?? []
  }

  /** Summed up over all repetitions. */
  errors(caseName: string, peer: string): Errors {
    const sum = noErrors()
    for (const report of this.#reports.get(`${caseName} ${peer}`) ?? []) {
      if (report) for (const kind of Object.keys(sum) as (keyof Errors)[]) sum[kind] += report.errors[kind]
    }
    return sum
  }

  /** Whether everything was measured and nothing was lost, doubled, reordered, corrupt or cut. */
  get clean(): boolean {
    const reports = [...this.#reports.values()].flat()
    return (
      this.#failures.size === 0 &&
      reports.every(report => report === undefined || Object.values(report.errors).every(count => count === 0))
    )
  }
}
