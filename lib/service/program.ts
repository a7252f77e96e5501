import cluster from 'node:cluster'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type { FastifyInstance } from 'fastify'
import type { TObject } from 'typebox'
import { ConfigError, helpText } from './config.ts'
import type { Readiness } from './http/health.ts'
import { createLogger, type Logger } from './log/log.ts'
import { type LogOutput, openLogOutput } from './log/log-output.ts'
import { Metrics } from './metrics.ts'
import { type Served, serve } from './serve.ts'
import { WorkerPool } from './workers/pool.ts'
import { runWorker } from './workers/worker.ts'

/** Configuration of every program. */
interface BaseConfig {
  readonly HOST: string
  readonly PORT: number
  readonly ADMIN_HOST: string
  readonly ADMIN_PORT: number
  readonly LOG_LEVEL: string
  readonly SHUTDOWN_SECONDS: number
  readonly INSTANCE: string
}

/** Extra time beyond its limit for a hand-over to report its own result, in milliseconds. */
const HAND_OVER_MARGIN_MS = 1000

/** Longest time for a slow reader to take the last log lines, in milliseconds. */
const LAST_LINES_MS = 200

/** Result of a program's `buildApp`: the server, its readiness, and the work to do before the server closes. */
export interface Service {
  readonly app: FastifyInstance
  readonly notReady: Readiness
  /**
   * Hands its work over while still serving, before the program is asked to end; by `deadline` (ms since the epoch).
   * Resolves with a human-readable result.
   */
  handOver?(deadline: number): Promise<string>
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
  /** Its sub-commands, one line of `--help` each. */
  readonly commands?: readonly string[]
  readonly schema: TObject
  readonly load: (env: NodeJS.ProcessEnv) => C
  readonly build: (config: C, deps: Deps) => Promise<Service>
  /** Longest hand-over in milliseconds, for a program that has one. */
  readonly handOverMs?: (config: C) => number
  /**
   * For a program that can use several cores: the number of processes that share its port; 1 for this process alone.
   */
  readonly workers?: (config: C) => number
}

/**
 * Runs a program as a process: environment → configuration → servers → signals. SIGTERM or SIGINT: not ready at once,
 * drain, close, exit 0, all within `SHUTDOWN_SECONDS`; a second signal ends the process at once with exit code 1.
 * Invalid configuration: every problem on standard error, exit code 2. Any other failure to start, such as a port in
 * use: one clear line, exit code 1. The admin server answers from the beginning: a program that is slow to start is
 * alive, but not ready. With workers all of this applies to the pool as a whole.
 */
export async function runProgram<C extends BaseConfig>(program: Program<C>): Promise<void> {
  const { name, purpose, schema, commands } = program
  if (process.argv.includes('--help') || process.argv.includes('-h')) {
    process.stdout.write(helpText(name, purpose, schema, commands))
    return
  }
  let config: C
  try {
    config = program.load(process.env)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(
      `${name}: the configuration cannot be used:\n${error.problems.map(line => `  ${line}\n`).join('')}`,
    )
    process.exitCode = 2
    return
  }
  const instance = config.INSTANCE || hostname()
  const output = openLogOutput(process.stdout.fd)
  const log = createLogger(name, instance, config.LOG_LEVEL, output)
  const metrics = new Metrics()
  countDroppedLines(metrics, output)
  const flushLog = () => output.flush(LAST_LINES_MS)
  const limitMs = config.SHUTDOWN_SECONDS * 1000
  const admin = { host: config.ADMIN_HOST, port: config.ADMIN_PORT }
  if (program.workers && cluster.worker) {
    const ownLog = log.child({ worker: cluster.worker.id })
    const served = alone(program, config, { log: ownLog, metrics, instance })
    return runWorker({ served, log: ownLog, flushLog, metrics, limitMs })
  }
  const count = program.workers?.(config) ?? 1
  if (count > 1) {
    const pool = new WorkerPool({ count, log, metrics })
    return serve({ served: pool, log, flushLog, metrics: pool, admin, limitMs })
  }
  return serve({ served: alone(program, config, { log, metrics, instance }), log, flushLog, metrics, admin, limitMs })
}

/** Registers the counter of dropped log lines. */
export function countDroppedLines(metrics: Metrics, output: Pick<LogOutput, 'dropped'>): void {
  metrics.counter(
    'log_lines_dropped_total',
    'Log lines that could not be written, because no program reads them or the disk is full.',
    {
      collect() {
        this.reset()
        this.inc(output.dropped)
      },
    },
  )
}

/** Makes the program's own server in this process. */
function alone<C extends BaseConfig>(
  { build, handOverMs }: Program<C>,
  config: C,
  deps: Deps,
): Served & { leave(): void } {
  let service: Service | undefined
  return {
    async start() {
      service = await build(config, deps)
      await service.app.listen({ host: config.HOST, port: config.PORT })
      return service.app.server.address() as AddressInfo
    },
    notReady: () => (service ? service.notReady() : 'starting'),
    ...(handOverMs && { handOver: () => handOver(service, handOverMs(config), deps.log) }),
    leave: () => service?.app.server.close(),
    async stop(deadline) {
      await service?.drain(deadline)
      await service?.app.close()
    },
  }
}

/** Lets a service hand its work over, within its time limit. @throws the error of the service */
async function handOver(service: Service | undefined, limitMs: number, log: Logger): Promise<string> {
  log.info({ limitMs }, 'handing over')
  try {
    const result = await Promise.race([
      service?.handOver?.(Date.now() + limitMs) ?? 'nothing to hand over',
      sleep(limitMs + HAND_OVER_MARGIN_MS, 'the time for the hand-over is over', { ref: false }),
    ])
    log.info({ result }, 'handed over')
    return result
  } catch (error) {
    log.error({ err: error }, 'the hand-over failed')
    throw error
  }
}
