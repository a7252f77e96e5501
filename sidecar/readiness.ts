import type { Discovery } from '../lib/routing/discovery/discovery.ts'
import type { Readiness } from '../lib/service/http/health.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import { AppProbe } from './app-probe.ts'
import type { SidecarConfig } from './config.ts'

interface Options {
  readonly config: Pick<SidecarConfig, 'SELF' | 'APP_HOST' | 'APP_PORT'>
  readonly discovery: Pick<Discovery, 'members' | 'synced' | 'problem'>
  readonly metrics: Metrics
}

/**
 * Readiness of a sidecar: its app accepts connections and speaks HTTP, and discovery has answered, because a sidecar
 * that does not know the other pods loses messages to their users. The answer may be an empty list: the first pod is
 * listed only once it is ready. The gauge reports a ready pod that never appears in its own list.
 */
export function readinessOf({ config, discovery, metrics }: Options): Readiness {
  const app = new AppProbe(config.APP_HOST, config.APP_PORT)
  let isReady = false
  metrics.gauge(
    'ready_alone',
    '1 while this sidecar is ready but missing from the members that it knows, so that it and the other pods lose messages; otherwise 0.',
    {
      collect() {
        this.set(isReady && discovery.members.get(config.SELF) === undefined ? 1 : 0)
      },
    },
  )
  return async () => {
    const problem = (await app.notReady()) ?? unsynced(discovery)
    isReady = problem === undefined
    return problem
  }
}

function unsynced({ synced, problem }: Options['discovery']): string | undefined {
  return synced ? undefined : `the other pods are not known yet: ${problem ?? 'the discovery has not answered'}`
}
