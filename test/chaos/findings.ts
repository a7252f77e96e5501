/** What must never happen in a run. */
export const CHECKS = [
  'disconnected',
  'lost',
  'doubled',
  'reordered',
  'misrouted',
  'damaged',
  'unanswered',
  'misreported',
  'crashed',
] as const
export type Check = (typeof CHECKS)[number]

export interface Finding {
  count: number
  /** The first examples, in words; at most {@link EXAMPLES}. */
  readonly examples: string[]
}

export type Findings = Record<Check, Finding>

const EXAMPLES = 5

export const newFindings = (): Findings =>
  Object.fromEntries(CHECKS.map(check => [check, { count: 0, examples: [] }])) as unknown as Findings

export function note(finding: Finding, example: string, count = 1): void {
  finding.count += count
  if (finding.examples.length < EXAMPLES) finding.examples.push(example)
}

/** Keeps account of what was found in a run, with the time since it began. */
export class Account {
  readonly findings = newFindings()
  /** Messages that may be lost or late, and are, by the reason. */
  readonly allowed: Record<string, number> = {}
  readonly #began: number

  /** @param began milliseconds of the clock */
  constructor(began: number) {
    this.#began = began
  }

  time(at: number): string {
    return `+${((at - this.#began) / 1000).toFixed(3)} s`
  }

  found(check: Check, at: number, example: string): void {
    note(this.findings[check], `${this.time(at)} ${example}`)
  }

  /** @param excuse why it may be missing; `undefined` where it must not */
  missed(check: Check, at: number, excuse: string | undefined, example: string): void {
    if (excuse === undefined) this.found(check, at, example)
    else if (check === 'lost') this.allow(excuse)
  }

  allow(excuse: string): void {
    this.allowed[excuse] = (this.allowed[excuse] ?? 0) + 1
  }

  /** Finds what came twice or too early in one sequence of numbers. */
  sequence<A extends { n: number; at: number }>(
    arrivals: readonly A[],
    what: string,
    mayBeLate: (arrival: A) => boolean = () => false,
    mayBeTwice: (arrival: A) => boolean = () => false,
  ): void {
    const seen = new Set<number>()
    let highest = -1
    for (const arrival of arrivals) {
      const { n, at } = arrival
      if (seen.has(n)) {
        if (!mayBeTwice(arrival)) this.found('doubled', at, `${what}: ${n} came again`)
      } else if (n < highest && !mayBeLate(arrival)) this.found('reordered', at, `${what}: ${n} came after ${highest}`)
      seen.add(n)
      highest = Math.max(highest, n)
    }
  }
}
