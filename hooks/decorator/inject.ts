import type { Container as SidecarContainer } from 'kubernetes-types/core/v1.d.ts'
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
import { type ContainerList, findSidecar, isOurs } from '../apply/managed-fields.ts'
import type { Rendering } from '../config.ts'
import type { Deployment } from '../requests/schemas.ts'
import { headlessService, sidecarContainer } from '../sidecar/container.ts'
import { choosePorts, neighbours, type Ports, portsOf } from '../sidecar/ports.ts'
import { advise } from './advice.ts'
import { refuseSystem, refuseUnsupported } from './unsupported.ts'

/** Why a Deployment gets no sidecar: the reasons, and what each means. */
export const REFUSALS = {
  'managed-by': 'The Deployment belongs to ws-operator itself.',
  system: 'The Deployment is a part of ws-operator or in a namespace of Kubernetes.',
  controlled: 'Another controller owns the Deployment and would undo the injection.',
  annotations: 'An annotation cannot be used; the message names all of them.',
  'host-network':
    "The pods have the network of their node (`hostNetwork: true`), so the sidecar's ports would be the node's.",
  'container-name': `A container named \`${SIDECAR_CONTAINER}\` exists that ws-operator did not make.`,
  'port-name': `A container of the app has a port named \`${SIDECAR_PORT_NAME}\`.`,
  selector: "The Deployment's selector is more than labels, which a Service cannot express.",
  name: "The Deployment's name makes no valid name of a Service.",
  'headless-service':
    'The name in `ws.operator/headless-service` could be that of a Service of yours, which would be taken over.',
  'app-port': 'No container port has the name that `ws.operator/app-port` gives.',
  'ambiguous-port':
    'Several ports of the app could be the one that takes WebSockets, or none: the message names them; `ws.operator/app-port` says which.',
  'port-taken': 'No port is free for the sidecar.',
  windows: 'The pods run on Windows, for which there is no sidecar.',
  'no-account-token':
    '`ws.operator/discovery: kubernetes` needs a token that `automountServiceAccountToken: false` keeps away.',
  'pod-resources': "The pod's own resources (`spec.template.spec.resources`) are too small for the sidecar.",
  'co-owned':
    'Another field manager also owns the sidecar, which is to get another port or mode; the API server would refuse that. The message names the manager.',
} as const

export type Refusal = { readonly reason: keyof typeof REFUSALS; readonly message: string }

export interface Injection {
  readonly inject: true
  readonly settings: Settings
  readonly ports: Ports
  readonly list: ContainerList
  readonly sidecar: SidecarContainer
  /** What the user may want to change; whole sentences. */
  readonly advice: readonly string[]
}

export type Decision = Injection | ({ readonly inject: false } & Refusal)

/** Problems that one message names; the rest is counted. */
const MAX_PROBLEMS = 30

/** Decides whether a Deployment gets the sidecar, and which. Depends on nothing but its arguments. */
export function decide(deployment: Deployment, rendering: Rendering): Decision {
  const read = readSettings(deployment.metadata.annotations)
  if (!read.ok) return { inject: false, reason: 'annotations', message: listProblems(read.problems) }
  const { settings } = read
  const refusal = refuse(deployment, settings)
  if (refusal) return { inject: false, ...refusal }
  const chosen = choosePorts(deployment.spec.template.spec, settings, currentAppPort(deployment))
  if (!chosen.ok) return { inject: false, reason: chosen.reason, message: chosen.message }
  const sidecar = sidecarContainer(deployment, settings, chosen.ports, rendering)
  const unsupported = refuseUnsupported(deployment, settings, sidecar)
  if (unsupported) return { inject: false, ...unsupported }
  return {
    inject: true,
    settings,
    ports: chosen.ports,
    list: settings['sidecar-mode'] === 'classic' ? 'containers' : 'initContainers',
    sidecar,
    advice: advise(deployment, settings, chosen),
  }
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
    const message = `${controller.kind} ${controller.name} controls this Deployment and would undo the injection. Let it make a Deployment with the sidecar, or remove the label ${ENABLE_LABEL}.`
    return { reason: 'controlled', message }
  }
  if (spec.template.spec.hostNetwork) {
    const message = `The pod template has hostNetwork: true, so the sidecar would take ports of the node, and sidecars could not find each other. Remove hostNetwork, or the label ${ENABLE_LABEL}.`
    return { reason: 'host-network', message }
  }
  const found = findSidecar(deployment)
  if (found && !isOurs(deployment, found)) {
    const message = `The pod template already has a container named ${SIDECAR_CONTAINER} that ws-operator did not make. Rename it.`
    return { reason: 'container-name', message }
  }
  const namesake = neighbours(spec.template.spec).find(container =>
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
