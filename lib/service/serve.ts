import type { AddressInfo } from 'node:net'
import closeWithGrace from 'close-with-grace'
import { type AdminMetrics, buildAdmin, type HandOver, type Readiness } from './http/health.ts'
import type { Logger } from './log/log.ts'

/** The server of a process: a program's own, or its workers. */
export interface Served {
  /** Resolves when it accepts connections. */
  start(): Promise<AddressInfo>
  readonly notReady: Readiness
  readonly handOver?: HandOver
  /** Hands over or ends all work by `deadline` (ms since the epoch), and closes. */
  stop(deadline: number): Promise<void>
}

interface Options {
  readonly served: Served
  readonly log: Logger
  /** Waits briefly until all log lines are written. */
  readonly flushLog: () => Promise<void>
  readonly metrics: AdminMetrics
  readonly admin: { readonly host: string; readonly port: number }
  /** Longest time from a signal to the end of the process, in milliseconds. */
  readonly limitMs: number
}

/** Time reserved within the shutdown limit for closing the servers and exiting with code 0, in milliseconds. */
const EXIT_MARGIN_MS = 500

/** The drain deadline (ms since the epoch) of a shutdown that begins now and must end within `limitMs`. */
export const drainDeadline = (limitMs: number): number => Date.now() + limitMs - EXIT_MARGIN_MS

/** Runs a server with its admin server until a signal or an uncaught error ends the process. */
export async function serve({ served, log, flushLog, metrics, admin: listen, limitMs }: Options): Promise<void> {
  let stopping = false
  const admin = buildAdmin(metrics, () => (stopping ? 'shutting down' : served.notReady()), served.handOver)

  // Before anything slow: the first process of a container does not even get signals without a handler.
  closeWithGrace(
    { delay: limitMs, logger: { error: (error: unknown) => log.error({ err: error }, 'shutdown') } },
    async ({ signal, err }) => {
      if (err) log.fatal({ err }, 'uncaught error')
      else log.info({ signal }, 'shutting down')
      stopping = true
      await served.stop(drainDeadline(limitMs))
      await admin.close()
      log.info('stopped')
      await flushLog()
    },
  )

  let address: AddressInfo
  try {
    await admin.listen(listen)
    log.debug({ admin: admin.addresses()[0] }, 'admin server listening')
    address = await served.start()
  } catch (error) {
    // A shutdown in progress aborts the start and determines the exit code.
    if (stopping) return
    log.fatal({ err: error }, `cannot start: ${(error as Error).message}`)
    await flushLog()
    process.exit(1)
  }
  log.info({ address, admin: admin.addresses()[0] }, 'listening')
}
