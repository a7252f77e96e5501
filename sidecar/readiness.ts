import type { Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Readiness } from '../lib/service/health.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import { accepts } from '../lib/wire/probe.ts'
import type { SidecarConfig } from './config.ts'

interface Options {
  readonly config: Pick<SidecarConfig, 'SELF' | 'APP_HOST' | 'APP_PORT'>
  readonly discovery: Pick<Discovery, 'members' | 'synced' | 'problem'>
  readonly metrics: Metrics
}

/**
 * Whether a sidecar may be given clients: its app takes connections, and the discovery has answered, because one that does not know
 * the other pods loses what is addressed to their users. The answer may be that there is no member: the first pod is one only once it
 * is ready. That such a pod never gets into its own list is what the gauge says.
 */
export function readinessOf({ config, discovery, metrics }: Options): Readiness {
  let isReady = false
  metrics.gauge(
    'ready_alone',
    '1 while this sidecar is ready and not among the members that it knows, so that it and the other pods lose messages; else 0.',
    {
      collect() {
        this.set(isReady && discovery.members.get(config.SELF) === undefined ? 1 : 0)
      },
    },
  )
  return async () => {
    const problem = await problemOf(config, discovery)
    isReady = problem === undefined
    return problem
  }
}

async function problemOf(
  { APP_HOST, APP_PORT }: Options['config'],
  discovery: Options['discovery'],
): Promise<string | undefined> {
  if (!(await accepts(APP_HOST, APP_PORT))) return `the app does not accept connections on ${APP_HOST}:${APP_PORT}`
  if (discovery.synced) return undefined
  return `the other pods are not known yet: ${discovery.problem ?? 'the discovery has not answered'}`
}
