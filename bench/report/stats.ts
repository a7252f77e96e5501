/** A figure over the repetitions of a run. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

/** The middle value; between two of them, their mean. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** @returns `undefined` without values */
export function spreadOf(values: readonly number[]): Spread | undefined {
  if (values.length === 0) return undefined
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) }
}

/** One value for each repetition; `undefined` where that repetition failed. */
export type Series = readonly (number | undefined)[]

/**
 * How one series compares with another that was measured beside it: the ratio of the medians, and the least and the greatest
 * ratio within one repetition. The ratio of the medians always lies between these two, because the median is monotonic.
 *
 * @returns `undefined` where no repetition has both
 */
export function ratioOf(series: Series, reference: Series): Spread | undefined {
  const pairs: [number, number][] = []
  for (const [i, value] of series.entries()) {
    const other = reference[i]
    if (value !== undefined && other !== undefined) pairs.push([value, other])
  }
  const within = spreadOf(pairs.map(([value, other]) => value / other))
  return within && { ...within, median: median(pairs.map(pair => pair[0])) / median(pairs.map(pair => pair[1])) }
}

/**
 * The value below which a share of the values lies, by nearest rank.
 *
 * @param sorted ascending, not empty
 * @param share above 0, at most 1
 */
export function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
}
