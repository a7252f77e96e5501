/** A call of the logger in a source. */
export interface LogCall {
  /** More than one where the code chooses. */
  readonly levels: readonly string[]
  /** Text as written; `…` stands for what is filled in. `undefined`: the message is not written in the call. */
  readonly message: string | undefined
  /** Names of the fields beside the message. */
  readonly fields: readonly string[]
}

const CALL = /\b(?:#?log|logger)(?:\.(fatal|error|warn|info|debug|trace)|\[([^\]\n]+)\])\(/g

/** All calls of the logger in a TypeScript source, in order. */
export function logCalls(source: string): LogCall[] {
  return [...source.matchAll(CALL)].flatMap(({ 0: call, 1: level, 2: choice = '', index }) => {
    const parts = argumentsAt(source, index + call.length)
    const levels = level === undefined ? wordsOf(choice, source) : [level]
    return [{ levels, message: textOf(parts.at(-1) ?? ''), fields: fieldsOf(parts[0] ?? '') }]
  })
}

/** Words in quotes of an expression, or of the constant that it names. */
function wordsOf(expression: string, source: string): string[] {
  const constant = new RegExp(`const ${expression} = ([^\\n]*)`)
  const text = /^\w+$/.test(expression) ? (constant.exec(source)?.[1] ?? '') : expression
  return [...text.matchAll(/'(\w+)'/g)].map(([, word = '']) => word)
}

/** Arguments of a call, from behind its bracket; commas and brackets in strings count as text. */
function argumentsAt(source: string, start: number): string[] {
  const parts: string[] = []
  let depth = 0
  let from = start
  for (let at = start; at < source.length; at++) {
    const char = source[at]!
    if (char === "'" || char === '`' || char === '"') at = source.indexOf(char, at + 1)
    else if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char) && depth-- === 0)
      return [...parts, source.slice(from, at)].map(part => part.trim()).filter(part => part !== '')
    else if (char === ',' && depth === 0) {
      parts.push(source.slice(from, at))
      from = at + 1
    }
  }
  throw new Error('a call of the logger does not end')
}

const textOf = (part: string): string | undefined =>
  /^'(.*)'$/s.exec(part)?.[1] ?? /^`(.*)`$/s.exec(part)?.[1]?.replaceAll(/\$\{.*\}/g, '…')

/** Keys of an object literal; `err` is how pino takes an error. */
function fieldsOf(part: string): string[] {
  const inside = /^\{(.*)\}$/s.exec(part)?.[1] ?? ''
  return inside.split(/,(?![^([{]*[)\]}])/).flatMap(entry => /^\s*(\w+)/.exec(entry)?.[1] ?? [])
}
