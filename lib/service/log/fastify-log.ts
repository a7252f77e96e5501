import { type FastifyBaseLogger, type FastifyServerOptions, LogController } from 'fastify'
import type { Logger } from './log.ts'

/** Levels at which Fastify reports our own faults; at lower levels it logs every request and address. */
const FAULT_LEVELS = ['warn', 'error', 'fatal', 'silent'] as const

/**
 * Options that let Fastify write to a program's log: its warnings and errors get the fields of every line. Requests and
 * addresses are not logged: the program logs failures itself, and a URL may contain a token.
 */
export function fastifyLog(log: Logger): Pick<FastifyServerOptions, 'loggerInstance' | 'logController'> {
  const level = FAULT_LEVELS.find(level => level === log.level) ?? 'warn'
  return {
    loggerInstance: log.child({}, { level }) as FastifyBaseLogger,
    logController: new LogController({ disableRequestLogging: true }),
  }
}
