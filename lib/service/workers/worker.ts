import cluster from 'node:cluster'
import closeWithGrace from 'close-with-grace'
import type { Logger } from '../log/log.ts'
import type { Metrics } from '../metrics.ts'
import { drainDeadline, type Served } from '../serve.ts'
import type { Answers, FromWorker, Question, ToWorker } from './messages.ts'

/**
 * Signals that a terminal or service manager sends to all processes; only the primary acts on them and tells its
 * workers.
 */
const SIGNALS = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM'] as const

interface Options {
  readonly served: Served & { leave(): void }
  readonly log: Logger
  readonly flushLog: () => Promise<void>
  readonly metrics: Metrics
  readonly limitMs: number
}

/**
 * Runs one worker of a cluster: it serves, answers its primary, and ends on the primary's request or an uncaught error.
 */
export async function runWorker({ served, log, flushLog, metrics, limitMs }: Options): Promise<void> {
  for (const signal of SIGNALS) process.on(signal, () => {})
  let deadline: number | undefined
  let stopping = false
  const logger = { error: (error: unknown) => log.error({ err: error }, 'shutdown') }
  const grace = closeWithGrace({ delay: limitMs, logger, skip: [...SIGNALS] }, async ({ err }) => {
    stopping = true
    if (err) {
      log.fatal({ err }, 'uncaught error')
      // The other workers can still accept connections.
      served.leave()
    }
    await served.stop(deadline ?? drainDeadline(limitMs))
    await flushLog()
  })

  const answers: { [Q in Question]: () => Promise<Answers[Q]> } = {
    readiness: async () => ({ reason: stopping ? 'shutting down' : await served.notReady() }),
    metrics: async () => ({ snapshot: await metrics.registry.getMetricsAsJSON() }),
  }
  process.on('message', async (message: ToWorker) => {
    if ('ask' in message) tell({ id: message.id, answer: await answers[message.ask]() })
    else {
      deadline = message.drain
      await grace.close()
    }
  })

  try {
    await served.start()
  } catch (error) {
    if (stopping) return
    const { message, stack } = error as Error
    tell({ failed: { message, stack } }, () => process.exit(1))
    return
  }
  log.debug({ pid: process.pid }, 'worker listening')
}

function tell(message: FromWorker, sent: () => void = () => {}): void {
  if (cluster.worker?.isConnected()) cluster.worker.send(message, sent)
}
