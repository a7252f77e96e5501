import {
  balancerChildName,
  ENABLE_LABEL,
  MANAGED_BY_LABEL,
  OPERATOR,
  SIDECAR_CONTAINER,
  SIDECAR_PORT_NAME,
} from '../../lib/service/names.ts'
import type { Settings } from '../annotations/annotations.ts'
import { readSettings } from '../annotations/read-annotations.ts'
import { isServiceName } from '../annotations/values.ts'
import { type DesiredSidecar, findSidecar, isOurs } from '../apply/managed-fields.ts'
import type { Rendering } from '../config.ts'
import type { Deployment } from '../requests/schemas.ts'
import { headlessService, sidecarContainer } from '../sidecar/container.ts'
import { appContainers, choosePorts, type Ports, portsOf } from '../sidecar/ports.ts'
import { advise } from './advice.ts'
import type { Refusal } from './refusals.ts'
import { refuseSystem, refuseUnsupported } from './unsupported.ts'

/** Today's sidecar of a Deployment, with what it was derived from. */
export interface SidecarPlan extends DesiredSidecar {
  readonly settings: Settings
  readonly ports: Ports
  /** Recommendations to the user, in whole sentences. */
  readonly advice: readonly string[]
}

export type PlanResult = { readonly ok: true; readonly plan: SidecarPlan } | ({ readonly ok: false } & Refusal)

/** Problems that one message names; the rest is counted. */
const MAX_PROBLEMS = 30

/** Today's sidecar of a Deployment, or why it can have none. Pure. */
export function planSidecar(deployment: Deployment, rendering: Rendering): PlanResult {
  const read = readSettings(deployment.metadata.annotations)
  if (!read.ok) return { ok: false, reason: 'annotations', message: listProblems(read.problems) }
  const { settings } = read
  const refusal = refuse(deployment, settings)
  if (refusal) return { ok: false, ...refusal }
  const chosen = choosePorts(deployment.spec.template.spec, settings, currentAppPort(deployment))
  if (!chosen.ok) return chosen
  const sidecar = sidecarContainer(deployment, settings, chosen.ports, rendering)
  const unsupported = refuseUnsupported(deployment, settings, sidecar)
  if (unsupported) return { ok: false, ...unsupported }
  const list = settings['sidecar-mode'] === 'classic' ? 'containers' : 'initContainers'
  const advice = advise(deployment, settings, chosen)
  return { ok: true, plan: { settings, ports: chosen.ports, list, sidecar, advice } }
}

function currentAppPort(deployment: Deployment): number | undefined {
  const found = findSidecar(deployment)
  return found && isOurs(deployment, found) ? portsOf(found.container)?.app : undefined
}

function listProblems(problems: readonly string[]): string {
  const more = problems.length - MAX_PROBLEMS
  return `${problems.slice(0, MAX_PROBLEMS).join('; ')}${more > 0 ? `; and ${more} more` : ''}.`
}

function refuse(deployment: Deployment, settings: Settings): Refusal | undefined {
  const { metadata, spec } = deployment
  if (metadata.labels?.[MANAGED_BY_LABEL] === OPERATOR) {
    const message = `This Deployment was made by ws-operator. Remove the label ${ENABLE_LABEL}.`
    return { reason: 'managed-by', message }
  }
  const system = refuseSystem(deployment)
  if (system) return system
  const controller = metadata.ownerReferences?.find(reference => reference.controller && reference.uid !== metadata.uid)
  if (controller) {
    const message = `${controller.kind} ${controller.name} controls this Deployment and would undo the injection. Configure it to add the sidecar itself, or remove the label ${ENABLE_LABEL}.`
    return { reason: 'controlled', message }
  }
  if (spec.template.spec.hostNetwork) {
    const message = `The pod template has hostNetwork: true, so the sidecar would use ports of the node, and sidecars could not find each other. Remove hostNetwork, or the label ${ENABLE_LABEL}.`
    return { reason: 'host-network', message }
  }
  const found = findSidecar(deployment)
  if (found && !isOurs(deployment, found)) {
    const message = `The pod template already has a container named ${SIDECAR_CONTAINER} that ws-operator did not make. Rename it.`
    return { reason: 'container-name', message }
  }
  const namesake = appContainers(spec.template.spec).find(container =>
    container.ports?.some(({ name }) => name === SIDECAR_PORT_NAME),
  )
  if (namesake) {
    const message = `Container ${namesake.name} has a port named ${SIDECAR_PORT_NAME}, which is the sidecar's. Rename it.`
    return { reason: 'port-name', message }
  }
  const { matchLabels = {}, matchExpressions = [] } = spec.selector
  if (matchExpressions.length > 0 || Object.keys(matchLabels).length === 0) {
    const message =
      'The selector must consist of matchLabels only, because a Service has to select the same pods. Recreate the Deployment with such a selector.'
    return { reason: 'selector', message }
  }
  return refuseName(deployment, settings)
}

function refuseName(deployment: Deployment, settings: Settings): Refusal | undefined {
  const { name } = deployment.metadata
  const service = headlessService(deployment, settings)
  if (!isServiceName(service)) {
    const message = `${service} is no valid name of a Service. Name another one with ws.operator/headless-service.`
    return { reason: 'name', message }
  }
  // 63 is also the limit of a label's value, and the name becomes one.
  const balancer = balancerChildName(name)
  const usable = settings.balancer === 'none' ? name.length <= 63 : isServiceName(balancer)
  if (usable) return undefined
  const message =
    settings.balancer === 'none'
      ? 'The name of the Deployment is longer than 63 characters. Use a shorter one.'
      : `${balancer} is no valid name of a Service. Use another name for the Deployment, or set ws.operator/balancer to none and write a WebSocketBalancer with a name of its own.`
  return { reason: 'name', message }
}
