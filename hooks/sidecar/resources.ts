import { DEFAULTS, type Settings } from '../annotations/annotations.ts'
import { quantity } from '../annotations/quantity.ts'
import { cpuMillis } from '../annotations/values.ts'
import type { Container, PodSpec } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'

/** Resources of the sidecar; no CPU limit unless annotated or needed for QoS class Guaranteed. */
export interface SidecarResources {
  readonly requests: { readonly cpu: string; readonly memory: string }
  readonly limits: { readonly cpu?: string; readonly memory: string }
}

/**
 * Requests and limits of the sidecar. Guaranteed pods stay Guaranteed: a container with other requests than limits would make them
 * Burstable, which are evicted earlier and get no exclusive CPUs.
 *
 * @param others the app's containers and init containers, without the sidecar
 */
export function sidecarResources(settings: Settings, others: readonly Container[]): SidecarResources {
  const request = settings['sidecar-cpu-request']
  const limit = settings['sidecar-cpu-limit']
  const most = settings['sidecar-memory-limit'] ?? DEFAULTS['sidecar-memory-limit']
  if (isGuaranteed(others)) {
    const both = { cpu: limit ?? request ?? DEFAULTS['sidecar-cpu-limit-guaranteed'], memory: most }
    return { requests: both, limits: both }
  }
  const usual = DEFAULTS['sidecar-cpu-request']
  return {
    requests: {
      cpu: request ?? (limit !== undefined && cpuMillis(limit) < cpuMillis(usual) ? limit : usual),
      memory: settings['sidecar-memory-request'] ?? DEFAULTS['sidecar-memory-request'],
    },
    limits: { ...(limit !== undefined && { cpu: limit }), memory: most },
  }
}

/** All containers of a pod but one. */
export const otherContainers = ({ containers, initContainers = [] }: PodSpec, name: string): Container[] =>
  [...containers, ...initContainers].filter(container => container.name !== name)

/** Whether pods of these containers alone are of the QoS class Guaranteed. */
export const isGuaranteed = (containers: readonly Container[]): boolean =>
  containers.length > 0 &&
  containers.every(container => {
    const { requests, limits } = record((container as { resources?: unknown }).resources)
    const [requested, limited] = [record(requests), record(limits)]
    return ['cpu', 'memory'].every(resource => {
      const limit = quantity(limited[resource])
      return limit !== undefined && (quantity(requested[resource]) ?? limit) === limit
    })
  })
