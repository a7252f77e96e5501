import type { Logger } from './log.ts'

/** An error of the error table, or an unexpected one. */
export type ServiceError = Error & { code?: string; statusCode?: number; upstream?: string }

/** Shortest time between two log lines of one error code, in milliseconds. */
const PAUSE_MS = 10_000

interface Recent {
  readonly since: number
  suppressed: number
}

/** Whether an error is our own fault instead of an entry of the error table. */
export const isUnexpected = ({ statusCode }: ServiceError): boolean => statusCode === undefined || statusCode === 500

/** Fields of a request in a log line. The path has no query, which may contain a token. */
export interface RequestFields {
  readonly path: string
  readonly remote?: string
}

/**
 * Logs failed or refused requests: one line per error code in ten seconds, so that neither a failed app nor a caller
 * without a token can flood the log. The next line has the number of suppressed ones. Expected errors have no stack.
 */
export class FailureLog {
  readonly #log: Logger
  readonly #message: string
  readonly #now: () => number
  /** By error code. */
  readonly #recent = new Map<string, Recent>()

  /** @param message of each line */
  constructor(log: Logger, message = 'request failed', now: () => number = () => performance.now()) {
    this.#log = log
    this.#message = message
    this.#now = now
  }

  add(error: ServiceError, fields: RequestFields): void {
    const { code = 'unknown', message, upstream } = error
    const recent = this.#recent.get(code)
    const now = this.#now()
    if (recent && now - recent.since < PAUSE_MS) {
      recent.suppressed++
      return
    }
    this.#recent.set(code, { since: now, suppressed: 0 })
    const more = { ...fields, ...(recent?.suppressed && { suppressed: recent.suppressed }) }
    if (isUnexpected(error)) this.#log.error({ err: error, ...more }, this.#message)
    else this.#log.warn({ code, reason: message, upstream, ...more }, this.#message)
  }
}

/** Removes the query, which may contain a token and must not reach a log. */
export function pathOnly(url: string): string {
  const end = url.indexOf('?')
  return end < 0 ? url : url.slice(0, end)
}
