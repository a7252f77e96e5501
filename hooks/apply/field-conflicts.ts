import { SIDECAR_CONTAINER, SIDECAR_PORT_NAME } from '../../lib/service/names.ts'
import type { Injection } from '../decorator/inject.ts'
import type { Refusal } from '../decorator/refusals.ts'
import type { Deployment } from '../requests/schemas.ts'
import { type FoundSidecar, otherOwners } from './managed-fields.ts'

/**
 * Why today's sidecar cannot be applied over the one that is there. What another field manager owns too stays beside what we apply:
 * where the sidecar moves to the other list of containers, or its port to another number, there would be two of one name. The API
 * server refuses that, at each attempt, and tells nobody but Metacontroller.
 */
export function refuseCoOwned(
  deployment: Deployment,
  found: FoundSidecar,
  { list, sidecar }: Pick<Injection, 'list' | 'sidecar'>,
): Refusal | undefined {
  const here = `spec.template.spec.${found.list}`
  const refusal = (message: string): Refusal => ({ reason: 'co-owned', message })
  if (found.list !== list) {
    const owners = otherOwners(deployment, found)
    if (owners.length === 0) return undefined
    return refusal(
      `The sidecar cannot move to spec.template.spec.${list}: container ${SIDECAR_CONTAINER} is also owned by ${owners.join(', ')} and would stay in ${here} as well. Remove it from ${here} by hand, then it comes back where it is wanted; or set ws.operator/sidecar-mode back.`,
    )
  }
  const wanted = new Set(sidecar.ports?.map(({ containerPort }) => containerPort))
  for (const { name, containerPort, protocol = 'TCP' } of found.container.ports ?? []) {
    if (name !== SIDECAR_PORT_NAME || wanted.has(containerPort)) continue
    const owners = otherOwners(deployment, found, 'f:ports', `k:${JSON.stringify({ containerPort, protocol })}`)
    if (owners.length === 0) continue
    return refusal(
      `The sidecar cannot go to port ${[...wanted].join()}: port ${containerPort} of container ${SIDECAR_CONTAINER} is also owned by ${owners.join(', ')} and would stay as well. Remove the container from ${here} by hand, then it comes back as it is wanted.`,
    )
  }
  return undefined
}
