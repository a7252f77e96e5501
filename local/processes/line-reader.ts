import { StringDecoder } from 'node:string_decoder'

/** Longest line that is kept whole; what is longer comes in pieces. */
const MAX_LINE = 65_536

/** Cuts a stream of bytes into lines, with a bounded buffer. */
export class LineReader {
  readonly #decoder = new StringDecoder('utf8')
  readonly #onLine: (line: string) => void
  #rest = ''

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine
  }

  push(chunk: Buffer): void {
    const lines = (this.#rest + this.#decoder.write(chunk)).split('\n')
    this.#rest = lines.pop() ?? ''
    for (const line of lines) if (line !== '') this.#onLine(line)
    if (this.#rest.length > MAX_LINE) {
      this.#onLine(this.#rest)
      this.#rest = ''
    }
  }
}

/** A line of a program's log; `undefined` for a line that is none. */
export function parseLog(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return undefined
  }
}
