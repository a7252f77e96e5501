import { RE2JS } from 're2js'

/** Longest path that an expression is tried on, in characters. */
const MAX_PATH_LENGTH = 8192

/** Longest expression, in characters. */
const MAX_EXPRESSION_LENGTH = 512

/**
 * Maximum instructions of a compiled expression: with {@link MAX_PATH_LENGTH} it bounds the time and memory of one
 * match.
 */
const MAX_INSTRUCTIONS = 5000

/** One token of RE2 syntax: a character class, an escaped character, a counted repetition or any other character. */
const TOKEN = /\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*\]|\\.|\{(?<min>\d+)(?:,(?<max>\d*))?\}|./gsu

/** Finds the user in a path; `undefined` if the expression does not match. */
export type PathReader = (path: string) => string | undefined

/**
 * Parses a regular expression with one capture group, in RE2 syntax (https://github.com/google/re2/wiki/Syntax),
 * without lookaround and backreferences. Matching takes time linear in the length of the path for any expression, and
 * parsing is bounded too, so untrusted expressions are safe.
 *
 * @throws {Error} that names the problem with the expression
 */
export function parsePathExpression(source: string): PathReader {
  if (source.length > MAX_EXPRESSION_LENGTH) {
    throw new Error(`the expression has ${source.length} characters, more than ${MAX_EXPRESSION_LENGTH}`)
  }
  // Compilation allocates the expanded repetitions, so the estimate comes first.
  if (expandedSize(source) > MAX_INSTRUCTIONS) throw tooLarge()
  const expression = compile(source)
  if (expression.programSize() > MAX_INSTRUCTIONS) throw tooLarge()
  const groups = expression.groupCount()
  if (groups !== 1) throw new Error(`the expression needs exactly one capture group, it has ${groups}`)
  return path => {
    if (path.length > MAX_PATH_LENGTH) return undefined
    const matcher = expression.matcher(path)
    return matcher.find() ? (matcher.group(1) ?? undefined) : undefined
  }
}

function compile(source: string): RE2JS {
  try {
    return RE2JS.compile(source)
  } catch (error) {
    const reason = (error as Error).message.replace('error parsing regexp: ', '')
    throw new Error(`RE2 cannot read the expression (it has no lookaround and no backreferences): ${reason}`, {
      cause: error,
    })
  }
}

const tooLarge = () =>
  new Error(`the expression is too large: its repetitions spell out more than ${MAX_INSTRUCTIONS} steps`)

/**
 * Estimates the number of atoms after expanding counted repetitions; may be slightly too high. Syntax errors are left
 * to the parser.
 *
 * @throws {Error} if text is quoted with `\Q`, which this estimate does not support
 */
function expandedSize(source: string): number {
  const open: number[] = []
  let total = 0
  let lastAtom = 0
  for (const { 0: token, groups } of source.matchAll(TOKEN)) {
    if (token === '\\Q') throw new Error('the expression quotes text with \\Q: escape each character instead')
    if (groups?.min !== undefined) {
      const copies = Math.max(Number(groups.min), Number(groups.max ?? 0), 1)
      total += lastAtom * (copies - 1)
      continue
    }
    if (token === '(') open.push(total)
    if (token !== ')') total += 1
    lastAtom = token === ')' ? total - (open.pop() ?? 0) : 1
  }
  return total
}
