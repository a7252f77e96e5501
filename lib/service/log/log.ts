import { type DestinationStream, type Logger, pino } from 'pino'

export type { Logger } from 'pino'

/** Levels of the `LOG_LEVEL` setting, in increasing detail. */
export const LOG_LEVELS = ['silent', 'error', 'warn', 'info', 'debug', 'trace'] as const

/** Sub-protocols are included because browsers send tokens in them. */
const SECRET_HEADERS = ['authorization', 'cookie', 'sec-websocket-protocol']

/**
 * Creates a logger of JSON lines: `level` as a word, `time` as ISO 8601, `component` and `instance` on each line.
 * Secrets of a handshake are redacted.
 */
export function createLogger(
  component: string,
  instance: string,
  level: string,
  destination?: DestinationStream,
): Logger {
  const options = {
    level,
    base: { component, instance },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: SECRET_HEADERS.flatMap(name => [`headers["${name}"]`, `*.headers["${name}"]`]),
  }
  return destination ? pino(options, destination) : pino(options)
}
