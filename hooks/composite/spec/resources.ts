import { cpu, cpuMillis, memory, memoryBytes } from '../../annotations/values.ts'
import type { BalancerSpec } from './balancer-spec.ts'
import { DEFAULT_RESOURCES } from './resources-spec.ts'

type Asked = NonNullable<BalancerSpec['resources']>

interface Resources {
  readonly requests: { readonly cpu: string; readonly memory: string }
  readonly limits: { readonly cpu?: string; readonly memory: string }
}

/**
 * Resources of a balancer pod, written as the API server writes them, so that applying them again changes nothing. A default is
 * lowered where needed: no request is above its limit.
 *
 * @throws {Error} for text that is no quantity; its message continues "must be …"
 */
export function resourcesOf({ requests = {}, limits = {} }: Asked = {}): Resources {
  const [request, limit] = [requests, limits].map(({ cpu: cores, memory: bytes }) => ({
    cpu: cores === undefined ? undefined : cpu(String(cores)),
    memory: bytes === undefined ? undefined : memory(bytes),
  })) as [Partial<Resources['requests']>, Partial<Resources['requests']>]
  const { requests: usual, limits: most } = DEFAULT_RESOURCES
  return {
    requests: {
      cpu: request.cpu ?? smaller(usual.cpu, limit.cpu, cpuMillis),
      memory: request.memory ?? smaller(usual.memory, limit.memory, memoryBytes),
    },
    limits: {
      ...(limit.cpu !== undefined && { cpu: limit.cpu }),
      memory: limit.memory ?? larger(most.memory, request.memory, memoryBytes),
    },
  }
}

const smaller = (usual: string, limit: string | undefined, size: (text: string) => number): string =>
  limit !== undefined && size(limit) < size(usual) ? limit : usual

const larger = (usual: string, request: string | undefined, size: (text: string) => number): string =>
  request !== undefined && size(request) > size(usual) ? request : usual
