import { hostname } from 'node:os'
import closeWithGrace from 'close-with-grace'
import type { FastifyInstance } from 'fastify'
import type { TObject } from 'typebox'
import { ConfigError, helpText } from './config.ts'
import { buildAdmin, type Readiness } from './health.ts'
import { createLogger, type Logger } from './log.ts'
import { Metrics } from './metrics.ts'

/** What every program is configured with. */
interface BaseConfig {
  readonly HOST: string
  readonly PORT: number
  readonly ADMIN_HOST: string
  readonly ADMIN_PORT: number
  readonly LOG_LEVEL: string
  readonly SHUTDOWN_SECONDS: number
  readonly INSTANCE: string
}

/** What a program's `buildApp` returns: the server, whether it is ready, and what to do before its server closes. */
export interface Service {
  readonly app: FastifyInstance
  readonly notReady: Readiness
  /** Resolves when all work is handed over or ended; bounded by the caller's `deadline` (ms since the epoch). */
  drain(deadline: number): Promise<void>
}

export interface Deps {
  readonly log: Logger
  readonly metrics: Metrics
  /** Name of this instance: the pod's name in Kubernetes. */
  readonly instance: string
}

export interface Program<C extends BaseConfig> {
  readonly name: string
  readonly purpose: string
  readonly schema: TObject
  readonly load: (env: NodeJS.ProcessEnv) => C
  readonly build: (config: C, deps: Deps) => Promise<Service>
}

/** Time kept back from the shutdown limit for closing the servers and leaving with exit code 0. */
const EXIT_MARGIN_MS = 500

/**
 * Runs a program as a process: environment → configuration → servers → signals. SIGTERM or SIGINT: not ready at once, drain,
 * close, exit 0, all within `SHUTDOWN_SECONDS`; a second signal ends it at once with exit code 1. A bad configuration: every
 * problem on standard error, exit code 2. A port that is taken, or anything else that keeps it from starting: one clear line,
 * exit code 1. The admin server answers from the beginning: a program that takes long to start is alive, and not ready.
 */
export async function runProgram<C extends BaseConfig>({
  name,
  purpose,
  schema,
  load,
  build,
}: Program<C>): Promise<void> {
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(helpText(name, purpose, schema))
    return
  }
  let config: C
  try {
    config = load(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(
      `${name}: the configuration cannot be used:\n${error.problems.map(line => `  ${line}\n`).join('')}`,
    )
    process.exitCode = 2
    return
  }
  const instance = config.INSTANCE || hostname()
  const log = createLogger(name, instance, config.LOG_LEVEL)
  const metrics = new Metrics()
  const limit = config.SHUTDOWN_SECONDS * 1000
  let service: Service | undefined
  let stopping = false
  const admin = buildAdmin(metrics, () => (stopping ? 'shutting down' : service ? service.notReady() : 'starting'))

  // Before all that takes time: as the first process of a container, this one would not even get a signal without a handler.
  closeWithGrace(
    { delay: limit, logger: { error: (error: unknown) => log.error({ err: error }, 'shutdown') } },
    async ({ signal, err }) => {
      if (err) log.fatal({ err }, 'uncaught error')
      else log.info({ signal }, 'shutting down')
      stopping = true
      await service?.drain(Date.now() + limit - EXIT_MARGIN_MS)
      await service?.app.close()
      await admin.close()
      log.info('stopped')
    },
  )

  try {
    await admin.listen({ host: config.ADMIN_HOST, port: config.ADMIN_PORT })
    log.debug({ admin: admin.addresses()[0] }, 'admin server listening')
    service = await build(config, { log, metrics, instance })
    await service.app.listen({ host: config.HOST, port: config.PORT })
  } catch (error) {
    // A shutdown that has begun ends what was being started, and knows how this process has to end.
    if (stopping) return
    log.fatal({ err: error }, `cannot start: ${(error as Error).message}`)
    process.exit(1)
  }
  log.info({ address: service.app.addresses()[0], admin: admin.addresses()[0] }, 'listening')
}
