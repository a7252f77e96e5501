import { METRIC_PREFIX } from '../../lib/service/names.ts'

const LINE = new RegExp(`^${METRIC_PREFIX}messages_routed_total\\{([^}]*)\\} ([0-9.e+]+)$`, 'gm')
const SCRAPE_LIMIT_MS = 2000

/** Addressed messages by outcome, from a page of metrics. */
export function readOutcomes(page: string): Map<string, number> {
  const outcomes = new Map<string, number>()
  for (const [, labels = '', value] of page.matchAll(LINE)) {
    const outcome = /outcome="([^"]*)"/.exec(labels)?.[1] ?? ''
    outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + Number(value))
  }
  return outcomes
}

/** @returns `undefined` where nobody answers */
export async function scrapeOutcomes(url: string): Promise<Map<string, number> | undefined> {
  try {
    // A connection that is kept would keep a program from ending.
    const headers = { connection: 'close' }
    const answer = await fetch(url, { headers, signal: AbortSignal.timeout(SCRAPE_LIMIT_MS) })
    return readOutcomes(await answer.text())
  } catch {
    return undefined
  }
}

/** Adds up what several sidecars have counted. */
export function sumOutcomes(counts: Iterable<ReadonlyMap<string, number>>): Map<string, number> {
  const sum = new Map<string, number>()
  for (const outcomes of counts) for (const [name, n] of outcomes) sum.set(name, (sum.get(name) ?? 0) + n)
  return sum
}
