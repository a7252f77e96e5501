import type { Container as SidecarContainer } from 'kubernetes-types/core/v1.d.ts'
import { DOMAIN } from '../../lib/service/names.ts'
import { quantity } from '../annotations/quantity.ts'
import type { PodSpec } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'
import { neighbours } from '../sidecar/ports.ts'

type List = 'requests' | 'limits'
type Resource = 'cpu' | 'memory'

/** What the sidecar has of its own, and the annotation that makes it less. */
const AMOUNTS = [
  ['requests', 'cpu', 'sidecar-cpu-request'],
  ['requests', 'memory', 'sidecar-memory-request'],
  ['limits', 'memory', 'sidecar-memory-limit'],
] as const

const written = (of: unknown, list: List, resource: Resource): unknown =>
  record(record(record(of)['resources'])[list])[resource]

/** A request that is not written is the limit. */
const amountOf = (of: unknown, list: List, resource: Resource): number | undefined =>
  quantity(written(of, list, resource)) ?? (list === 'requests' ? quantity(written(of, 'limits', resource)) : undefined)

/**
 * What of the pod's own resources (`spec.resources`, Kubernetes 1.34) is too small for its containers and the sidecar. The API server refuses
 * each pod then: all requests together must fit into the pod's, and each limit too.
 *
 * @returns a whole sentence; `undefined` where the pod has no resources of its own, or they are enough
 */
export function podResourcesProblem(pod: PodSpec, sidecar: SidecarContainer): string | undefined {
  for (const [list, resource, annotation] of AMOUNTS) {
    const given = amountOf(pod, list, resource)
    const own = amountOf(sidecar, list, resource) ?? 0
    const others = neighbours(pod).reduce((sum, container) => sum + (amountOf(container, list, resource) ?? 0), 0)
    const needed = list === 'limits' ? own : own + others
    if (given === undefined || given >= needed) continue
    const [has, needs] = [pod, sidecar].map(of => written(of, list, resource) ?? written(of, 'limits', resource))
    return `The pod template has resources of its own, whose ${list} of ${resource} (${has}) are too small for its containers and the sidecar (${needs}): no pod could be made. Raise spec.template.spec.resources, or set ${DOMAIN}/${annotation} to less.`
  }
  return undefined
}
