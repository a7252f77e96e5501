import { trimBlanks } from '../service/http/field-value.ts'

/**
 * Limit of 1xx answers before the final one (RFC 9110 §15.2); without it an upstream could keep its client waiting
 * forever.
 */
export const MAX_INTERIM_ANSWERS = 16

/** The unchanged head of an HTTP response (RFC 9112 §4 and §5). */
export interface ResponseHead {
  readonly status: number
  readonly statusLine: string
  /** Field lines in their order, with unchanged names and values. */
  readonly fields: readonly (readonly [name: string, value: string])[]
}

/**
 * Parses the head of an upstream's answer.
 *
 * @param text without the empty line that ends it, one character per byte
 * @returns `undefined` if it is not an HTTP/1 head
 */
export function parseResponseHead(text: string): ResponseHead | undefined {
  const [statusLine = '', ...lines] = text.split('\r\n')
  // A line end that parsers treat differently could hide a field.
  if (/[\r\n\0]/.test(lines.join('') + statusLine)) return undefined
  const status = /^HTTP\/1\.[01] ([1-5]\d\d)(?: |$)/.exec(statusLine)?.[1]
  if (status === undefined) return undefined
  const fields: [string, string][] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon)
    // Obsolete line folding would allow request smuggling through a proxy (RFC 9112 §5.2).
    if (colon < 1 || !/^[!#$%&'*+\-.^_`|~\w]+$/.test(name)) return undefined
    fields.push([name, trimBlanks(line.slice(colon + 1))])
  }
  return { status: Number(status), statusLine, fields }
}

/** The first value of a field; `name` in lower case. */
export function fieldOf({ fields }: Pick<ResponseHead, 'fields'>, name: string): string | undefined {
  return fields.find(([other]) => other.toLowerCase() === name)?.[1]
}

/** Encodes a head, including the empty line that ends it. */
export function encodeHead(startLine: string, fields: Iterable<readonly [name: string, value: string]>): Buffer {
  let text = `${startLine}\r\n`
  for (const [name, value] of fields) text += `${name}: ${value}\r\n`
  return Buffer.from(`${text}\r\n`, 'latin1')
}
