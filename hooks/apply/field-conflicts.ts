import { SIDECAR_CONTAINER, SIDECAR_PORT_NAME } from '../../lib/service/names.ts'
import type { Deployment } from '../requests/schemas.ts'
import { type DesiredSidecar, type FoundSidecar, otherOwners } from './managed-fields.ts'

/**
 * Why today's sidecar cannot be applied over the one that is there, as a message for a person; `undefined` where it can. A field that
 * another manager owns too stays beside the new one: a second container or port of one name, which the API server refuses each time.
 */
export function fieldConflict(
  deployment: Deployment,
  found: FoundSidecar,
  { list, sidecar }: DesiredSidecar,
): string | undefined {
  return found.list === list ? portConflict(deployment, found, sidecar) : listConflict(deployment, found, list)
}

const pathOf = (list: DesiredSidecar['list']): string => `spec.template.spec.${list}`

function listConflict(deployment: Deployment, found: FoundSidecar, list: DesiredSidecar['list']): string | undefined {
  const owners = otherOwners(deployment, found)
  if (owners.length === 0) return undefined
  const here = pathOf(found.list)
  return `The sidecar cannot move to ${pathOf(list)}: container ${SIDECAR_CONTAINER} is also owned by ${owners.join(', ')} and would stay in ${here} as well. Remove it from ${here} by hand, and ws-operator adds it at its new place; or set ws.operator/sidecar-mode back.`
}

function portConflict(
  deployment: Deployment,
  found: FoundSidecar,
  sidecar: DesiredSidecar['sidecar'],
): string | undefined {
  const wanted = new Set(sidecar.ports?.map(({ containerPort }) => containerPort))
  const moved = (found.container.ports ?? []).filter(
    ({ name, containerPort }) => name === SIDECAR_PORT_NAME && !wanted.has(containerPort),
  )
  for (const { containerPort, protocol = 'TCP' } of moved) {
    const owners = otherOwners(deployment, found, 'f:ports', `k:${JSON.stringify({ containerPort, protocol })}`)
    if (owners.length === 0) continue
    return `The sidecar cannot move to port ${[...wanted].join()}: port ${containerPort} of container ${SIDECAR_CONTAINER} is also owned by ${owners.join(', ')} and would stay as well. Remove the container from ${pathOf(found.list)} by hand, and ws-operator adds it with the new port.`
  }
  return undefined
}
