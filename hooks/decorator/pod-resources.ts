import type { Container as SidecarContainer } from 'kubernetes-types/core/v1.d.ts'
import { DOMAIN } from '../../lib/service/names.ts'
import { quantity } from '../annotations/quantity.ts'
import type { PodSpec } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'
import { appContainers } from '../sidecar/ports.ts'

type List = 'requests' | 'limits'
type Resource = 'cpu' | 'memory'

/** The sidecar's own resources, each with the annotation that lowers it. */
const AMOUNTS = [
  ['requests', 'cpu', 'sidecar-cpu-request'],
  ['requests', 'memory', 'sidecar-memory-request'],
  ['limits', 'memory', 'sidecar-memory-limit'],
] as const

const written = (of: unknown, list: List, resource: Resource): unknown =>
  record(record(record(of)['resources'])[list])[resource]

/** A missing request equals the limit. */
const amountOf = (of: unknown, list: List, resource: Resource): number | undefined =>
  quantity(written(of, list, resource)) ?? (list === 'requests' ? quantity(written(of, 'limits', resource)) : undefined)

/**
 * Which pod-level resource (`spec.resources`, Kubernetes 1.34) is too small for the containers and the sidecar. The API server then
 * refuses each pod: the sum of all requests, and each limit, must fit into the pod's.
 *
 * @returns a whole message; `undefined` where there are no pod-level resources, or they suffice
 */
export function podResourcesProblem(pod: PodSpec, sidecar: SidecarContainer): string | undefined {
  for (const [list, resource, annotation] of AMOUNTS) {
    const given = amountOf(pod, list, resource)
    const own = amountOf(sidecar, list, resource) ?? 0
    const others = appContainers(pod).reduce((sum, container) => sum + (amountOf(container, list, resource) ?? 0), 0)
    const needed = list === 'limits' ? own : own + others
    if (given === undefined || given >= needed) continue
    const [has, needs] = [pod, sidecar].map(of => written(of, list, resource) ?? written(of, 'limits', resource))
    return `The pod-level ${resource} ${list === 'limits' ? 'limit' : 'request'} (${has}) is too small for the containers and the sidecar (${needs}): no pod could be made. Raise spec.template.spec.resources, or lower ${DOMAIN}/${annotation}.`
  }
  return undefined
}
