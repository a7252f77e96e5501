import type { Logger } from '../service/log.ts'

/** An error of the error table, or an unexpected one. */
export type ServiceError = Error & { code?: string; statusCode?: number; upstream?: string }

/** Shortest time between two log lines of one error code, in milliseconds. */
const PAUSE_MS = 10_000

interface Recent {
  readonly since: number
  suppressed: number
}

/** Whether an error comes from a fault of ours, not from the error table. */
export const isUnexpected = ({ statusCode }: ServiceError): boolean => statusCode === undefined || statusCode === 500

/**
 * Logs requests that failed on our side of the client, one line for each error code in ten seconds, so that an app that is down does
 * not fill the log. The line says how many others there were. Expected errors have no stack.
 */
export class FailureLog {
  readonly #log: Logger
  readonly #now: () => number
  /** By error code. */
  readonly #recent = new Map<string, Recent>()

  constructor(log: Logger, now: () => number = () => performance.now()) {
    this.#log = log
    this.#now = now
  }

  /** @param path without its query, which may carry a token */
  add(error: ServiceError, path: string): void {
    const { code = 'unknown', message, upstream } = error
    const recent = this.#recent.get(code)
    const now = this.#now()
    if (recent && now - recent.since < PAUSE_MS) {
      recent.suppressed++
      return
    }
    this.#recent.set(code, { since: now, suppressed: 0 })
    const more = recent?.suppressed ? { suppressed: recent.suppressed } : {}
    if (isUnexpected(error)) this.#log.error({ err: error, path, ...more }, 'request failed')
    else this.#log.warn({ code, reason: message, upstream, path, ...more }, 'request failed')
  }
}
