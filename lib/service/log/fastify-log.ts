import { type FastifyBaseLogger, type FastifyServerOptions, LogController } from 'fastify'
import type { Logger } from './log.ts'

/** Levels at which Fastify reports a fault of ours; below them it writes a line for each request and each address. */
const FAULT_LEVELS = ['warn', 'error', 'fatal', 'silent'] as const

/**
 * Options that make a program's log Fastify's own: its warnings and errors get there, with the same fields as every line. Requests
 * and addresses are not logged: the program logs failures itself, and a URL may carry a token.
 */
export function fastifyLog(log: Logger): Pick<FastifyServerOptions, 'loggerInstance' | 'logController'> {
  const level = FAULT_LEVELS.find(level => level === log.level) ?? 'warn'
  return {
    loggerInstance: log.child({}, { level }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
  }
}
