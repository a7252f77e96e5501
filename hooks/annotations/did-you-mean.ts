/** With more edits than this, a word is taken for another word and not for a typing error. */
const MAX_EDITS = 3

/** The candidate with the fewest edits (insert, delete, replace) from `word`, or `undefined` where none is close. */
export function didYouMean(word: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined
  let fewest = MAX_EDITS + 1
  for (const candidate of candidates) {
    // The distance is at least the difference in length, so long words cost nothing.
    if (Math.abs(candidate.length - word.length) >= fewest) continue
    const edits = distance(word, candidate)
    if (edits < fewest) {
      best = candidate
      fewest = edits
    }
  }
  return best
}

/** Levenshtein distance, one row at a time. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}
