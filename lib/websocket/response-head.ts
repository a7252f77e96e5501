/** Answers of 1xx before the one that counts (RFC 9110 §15.2): an upstream with more of them would keep its client waiting for ever. */
export const MAX_INTERIM_ANSWERS = 16

/** The head of an HTTP response, RFC 9112 §4 and §5, as it came. */
export interface ResponseHead {
  readonly status: number
  readonly statusLine: string
  /** Field lines, names and values as they came, in their order. */
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/**
 * Reads the head of an upstream's answer.
 *
 * @param text up to and without the empty line that ends it, one character a byte
 * @returns `undefined` for what is no head of HTTP/1
 */
export function parseResponseHead(text: string): ResponseHead | undefined {
  const [statusLine = '', ...lines] = text.split('\r\n')
  // What one reader takes for the end of a line and another does not could hide a field.
  if (/[\r\n\0]/.test(lines.join('') + statusLine)) return undefined
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(statusLine)?.[1]
  if (status === undefined) return undefined
  const fields: [string, string][] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    // A field that continues on the next line is obsolete and, in a proxy, a way to smuggle (RFC 9112 §5.2).
    if (colon < 1 || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) return undefined
    fields.push([name, trimBlanks(line.slice(colon + 1))])
  }
  return { status: Number(status), statusLine, fields }
}

/** Without the blanks around a value: only these two (RFC 9110 §5.6.3). Others are bytes of its last or first character. */
function trimBlanks(value: string): string {
  let [start, end] = [0, value.length]
  while (isBlank(value[start])) start++
  while (end > start && isBlank(value[end - 1])) end--
  return value.slice(start, end)
}

const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t'

/** The first value of a field, its name in lower case. */
export function fieldOf({ fields }: Pick<ResponseHead, 'fields'>, name: string): string | undefined {
  return fields.find(([other]) => other.toLowerCase() === name)?.[1]
}

/** A head as the bytes to send, the empty line included. */
export function encodeHead(startLine: string, fields: Iterable<readonly [name: string, value: string]>): Buffer {
  let text = `${startLine}\r\n`
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
