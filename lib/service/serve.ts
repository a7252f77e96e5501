import type { AddressInfo } from 'node:net'
import closeWithGrace from 'close-with-grace'
import { type AdminMetrics, buildAdmin, type HandOver, type Readiness } from './http/health.ts'
import type { Logger } from './log/log.ts'

/** What a process offers: a program's own server, or workers that have it. */
export interface Served {
  /** Resolves when it takes connections. */
  start(): Promise<AddressInfo>
  readonly notReady: Readiness
  readonly handOver?: HandOver
  /** Hands everything over or ends it by `deadline` (ms since the epoch), and closes. */
  stop(deadline: number): Promise<void>
}

interface Options {
  readonly served: Served
  readonly log: Logger
  /** Waits, for a short time, until what was logged is written. */
  readonly flushLog: () => Promise<void>
  readonly metrics: AdminMetrics
  readonly admin: { readonly host: string; readonly port: number }
  /** Longest time from a signal to the end of the process, in milliseconds. */
  readonly limitMs: number
}

/** Time kept back from the shutdown limit for closing the servers and leaving with exit code 0. */
const EXIT_MARGIN_MS = 500

/** Until when (ms since the epoch) a shutdown that begins now and must end within `limitMs` may drain. */
export const drainDeadline = (limitMs: number): number => Date.now() + limitMs - EXIT_MARGIN_MS

/** Runs what is served, with its admin server, until a signal or an error that nobody catches ends the process. */
export async function serve({ served, log, flushLog, metrics, admin: listen, limitMs }: Options): Promise<void> {
  let stopping = false
  const admin = buildAdmin(metrics, () => (stopping ? 'shutting down' : served.notReady()), served.handOver)

  // Before all that takes time: as the first process of a container, this one would not even get a signal without a handler.
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
    // A shutdown that has begun ends what was being started, and knows how this process has to end.
    if (stopping) return
    log.fatal({ err: error }, `cannot start: ${(error as Error).message}`)
    await flushLog()
    process.exit(1)
  }
  log.info({ address, admin: admin.addresses()[0] }, 'listening')
}
