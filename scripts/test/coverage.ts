import { readFileSync, writeFileSync } from 'node:fs'

const KINDS = ['lines', 'branches', 'functions'] as const

/** Percentages of the sources that the tests ran. */
export type Coverage = Readonly<Record<(typeof KINDS)[number], number>>

/** @param file the `coverage-summary.json` of Istanbul's reporter json-summary */
export function readSummary(file: string): Coverage {
  const { total } = JSON.parse(readFileSync(file, 'utf8')) as { total: Record<string, { pct: number }> }
  const percent = (kind: string) => total[kind]?.pct ?? 0
  return { lines: percent('lines'), branches: percent('branches'), functions: percent('functions') }
}

/** @param file the floor, below which coverage must not fall */
export const readFloor = (file: string): Coverage => JSON.parse(readFileSync(file, 'utf8'))

/** What is wrong, a sentence for each percentage below the floor. */
export const belowFloor = (measured: Coverage, floor: Coverage): string[] =>
  KINDS.filter(kind => measured[kind] < floor[kind]).map(
    kind => `coverage of ${kind} is ${measured[kind]} %, below the floor of ${floor[kind]} %: test what you added`,
  )

/** The floor after a measurement: the higher percentage of each kind, rounded down, so that it only rises. */
export function raised(measured: Coverage, floor: Coverage): Coverage {
  const higher = (kind: keyof Coverage) => Math.max(floor[kind], Math.floor(measured[kind]))
  return { lines: higher('lines'), branches: higher('branches'), functions: higher('functions') }
}

export const writeFloor = (file: string, floor: Coverage): void =>
  writeFileSync(file, `${JSON.stringify(floor, null, 2)}\n`)
