import { loadBalancerConfig } from '../../../balancer/config.ts'
import type { FlowMemory } from '../../../lib/bridge/bridge-options.ts'
import type { ErrorSinks } from '../../../lib/proxy/error-response.ts'
import type { Plan } from '../../../lib/proxy/plan.ts'
import type { ProxyMetrics } from '../../../lib/proxy/proxy-metrics.ts'
import type { WireConfig } from '../../../lib/proxy/proxy-settings.ts'
import { topologyOf } from '../../../lib/proxy/topology.ts'
import { FailureLog } from '../../../lib/service/log/failure-log.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { MemoryBudget } from '../../../lib/service/memory/budget.ts'
import { INSTANCE_HEADER } from '../../../lib/service/names.ts'

/** A memory budget with room. @param passed called with the bytes of bodies */
export function memoryOf(passed: (bytes: number) => void = () => {}): FlowMemory {
  const { queues } = new MemoryBudget(1 << 30).accounts
  return { queueLimit: 262_144, tight: false, isFull: false, queues, messages: queues, passed }
}

export const configOf = (settings: Partial<WireConfig> = {}): WireConfig => ({
  ...loadBalancerConfig({ WS_OPERATOR_MEMBERS: '127.0.0.1:1' }),
  ...settings,
})

/** Where errors go, and the lines that were logged of them. */
export function sinksOf(isExposed = false): ErrorSinks & { readonly lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = []
  const log = createLogger('test', 'test', 'debug', { write: line => void lines.push(JSON.parse(line)) })
  const topology = topologyOf({ EXPOSE_TOPOLOGY: isExposed }, { [INSTANCE_HEADER]: 'pod-1' })
  return { failures: new FailureLog(log), topology, lines }
}

/** Counters that note what they count. */
export function countersOf(): ProxyMetrics & { readonly counted: string[] } {
  const counted: string[] = []
  return {
    counted,
    accepted: () => void counted.push('accepted'),
    refused: reason => void counted.push(`refused: ${reason}`),
    ended: cause => void counted.push(`ended: ${cause}`),
    plain: result => void counted.push(`plain: ${result}`),
    shed: reason => void counted.push(`shed: ${reason}`),
  }
}

/** A plan that leads to a port of this machine. */
export const planTo = (port: number, more: Partial<Plan<string>> = {}): Plan<string> => ({
  host: '127.0.0.1',
  port,
  drop: new Set(),
  set: {},
  answer: {},
  context: 'context',
  ...more,
})
