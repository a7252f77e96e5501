import { Parser, type Result } from 'tap-parser'

/** A skipped or postponed test, and why. */
export interface Skip {
  /** The file and the names of the tests on the way down, joined by ` > `. */
  readonly test: string
  readonly reason: string
}

/** The result of a test run. A test is a subtest without subtests of its own; its assertions do not count one by one. */
export interface Run {
  readonly passed: number
  readonly failed: number
  /** For each failure its place, and what tap says about it. */
  readonly failures: readonly string[]
  readonly skips: readonly Skip[]
}

/** What a subtest held when it ended. */
interface Level {
  subtests: number
  /** Failures already counted below this level. */
  failedBelow: number
  /** Failed assertions of this level itself. */
  readonly failures: string[]
}

/**
 * Counts the tests of a TAP 14 stream. A subtest with subtests counts only where it failed by itself: an assertion of its own, a
 * time limit, a wrong plan or a crash.
 *
 * @see https://testanything.org/tap-version-14-specification.html
 */
export function readTap(stream: string): Run {
  const reader = new TapReader()
  const parser = new Parser()
  reader.read(parser)
  let end = ''
  parser.on('bailout', (reason: string) => {
    end = `Bail out! ${reason}`
  })
  parser.on('complete', ({ ok, failures }: { ok: boolean; failures: readonly { tapError?: string | null }[] }) => {
    if (!ok) end ||= failures.map(({ tapError }) => tapError ?? '').join(', ') || 'the TAP stream is not complete'
  })
  parser.end(stream)
  return reader.result(end)
}

class TapReader {
  #passed = 0
  readonly #failures: string[] = []
  readonly #skips: Skip[] = []
  /** Levels whose closing point has not come. */
  readonly #open = new Set<Level>()

  read(parser: Parser): Level {
    const level: Level = { subtests: 0, failedBelow: 0, failures: [] }
    this.#open.add(level)
    let below: Level | undefined
    parser.on('child', (child: Parser) => {
      below = this.read(child)
    })
    parser.on('assert', (point: Result) => {
      if (point.closingTestPoint && below) this.#close(level, below, point)
      else this.#assertion(level, point, parser.level === 0)
      below = undefined
    })
    return level
  }

  /** @param end why the stream as a whole is a failure, where it is one */
  result(end: string): Run {
    // A run that was cut off leaves levels without their closing points.
    for (const { failures } of this.#open) if (failures.length > 0) this.#failures.push(failures.join('\n'))
    if (this.#failures.length === 0 && (end || this.#open.size > 1)) {
      this.#failures.push(end || 'the TAP stream breaks off')
    }
    return { passed: this.#passed, failed: this.#failures.length, failures: this.#failures, skips: this.#skips }
  }

  #assertion(level: Level, point: Result, outermost: boolean): void {
    if (this.#skipped(point)) level.subtests += 1
    else if (!point.ok) level.failures.push(describe(point))
    else if (outermost) this.#passed += 1
  }

  /** The point that sums up a subtest. */
  #close(level: Level, subtest: Level, point: Result): void {
    this.#open.delete(subtest)
    level.subtests += 1
    level.failedBelow += subtest.failedBelow
    if (this.#skipped(point)) return
    const failedAlone = subtest.failures.length > 0 || (!point.ok && subtest.failedBelow === 0)
    if (failedAlone) {
      level.failedBelow += 1
      this.#failures.push(subtest.failures.join('\n') || describe(point))
    } else if (subtest.subtests === 0) this.#passed += 1
  }

  #skipped({ skip, todo, fullname }: Result): boolean {
    const reason = skip || todo
    if (reason === false) return false
    this.#skips.push({ test: fullname, reason: reason === true ? '' : reason.trim() })
    return true
  }
}

/** Where an assertion is, then the lines that tap wrote below it. */
function describe(point: Result): string {
  const diagnostic = point.diag ? Parser.stringify([['assert', point]]).split('\n') : []
  return [point.fullname, ...diagnostic.slice(diagnostic.indexOf('  ---') + 1, diagnostic.indexOf('  ...'))].join('\n')
}
