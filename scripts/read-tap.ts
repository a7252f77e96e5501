/** What a run of tests came to. */
export interface Count {
  readonly passed: number
  readonly failed: number
  readonly skipped: number
}

/** A run of tests, and what a person needs to know of it. */
export interface Run extends Count {
  /** For each failure where it is, and what tap says about it. */
  readonly failures: readonly string[]
  /** For each skipped test where it is, and why. */
  readonly skips: readonly string[]
}

interface Point {
  readonly depth: number
  readonly failed: boolean
  readonly skipped: boolean
  /** Where it is, then the lines that tap wrote below it. */
  readonly lines: string[]
}

const POINT = /^( *)(not )?ok\b(?: \d+)?(?: - )?(.*)$/
const SUBTEST = /^( *)# Subtest: (.*)$/
const INDENT = 4

/**
 * Reads a TAP 14 stream and counts its assertions: the points that stand for themselves, not those that sum up the points of a
 * subtest. A subtest that failed though none of its points did (a time limit, a wrong plan, a crash) counts as one failure more.
 *
 * @see https://testanything.org/tap-version-14-specification.html
 */
export function readTap(stream: string): Run {
  const failed: Point[] = []
  const skipped: Point[] = []
  let passed = 0
  // By depth: what was counted since the last point of the depth above.
  const counted: { points: number; failed: number }[] = []
  const add = (point: Point): void => {
    const { depth } = point
    const below = counted.splice(depth + 1).filter(Boolean)
    const failedBelow = below.reduce((sum, level) => sum + level.failed, 0)
    const sumsUp = below.some(({ points }) => points > 0) && !(point.failed && failedBelow === 0)
    if (!sumsUp) {
      if (point.failed) failed.push(point)
      else if (point.skipped) skipped.push(point)
      else passed += 1
    }
    counted[depth] ??= { points: 0, failed: 0 }
    counted[depth].points += 1
    counted[depth].failed += failedBelow + (point.failed && !sumsUp ? 1 : 0)
  }
  const path: string[] = []
  const buffered: Point[] = []
  let last: Point | undefined
  let end: string | undefined
  for (const line of stream.split('\n')) {
    if (end !== undefined) {
      // A diagnostic may contain anything, also what looks like a point.
      if (line === end) end = undefined
      else last?.lines.push(line)
      continue
    }
    const [, , subtest] = SUBTEST.exec(line) ?? []
    const [, spaces, not, rest = ''] = POINT.exec(line) ?? []
    const open = buffered.at(-1)
    if (/^ *---$/.test(line)) end = line.replace('---', '...')
    else if (subtest !== undefined) path.splice(line.indexOf('#') / INDENT, path.length, subtest)
    else if (spaces !== undefined) {
      const depth = spaces.length / INDENT
      const todo = /# todo\b/i.test(rest)
      const where = [...path.slice(0, depth), rest.replace(/ # time=\S+| \{$/g, '')].join(' > ')
      const state = { failed: not !== undefined && !todo, skipped: todo || /# skip\b/i.test(rest) }
      last = { depth, ...state, lines: [where] }
      // A buffered subtest says its result first, then its points between braces.
      if (rest.endsWith('{')) {
        buffered.push(last)
        path.splice(depth, path.length, rest.replace(/ # time=\S+| \{$/g, ''))
      } else add(last)
    } else if (open && line === `${' '.repeat(open.depth * INDENT)}}`) {
      buffered.pop()
      add(open)
    } else if (line.startsWith('Bail out!') && failed.length === 0) {
      // Usually a point that failed is the reason for it, and is counted.
      add({ depth: 0, failed: true, skipped: false, lines: [line] })
    }
  }
  const text = ({ lines }: Point) => lines.join('\n')
  const counts = { passed, failed: failed.length, skipped: skipped.length }
  return { ...counts, failures: failed.map(text), skips: skipped.map(text) }
}
