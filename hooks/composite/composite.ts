import { balancerChildName } from '../../lib/service/names.ts'
import { type DesiredObject, lastApplied } from '../apply/last-applied.ts'
import type { Rendering } from '../config.ts'
import type { CompositeRequest, ObservedObject, ObservedObjects } from '../requests/schemas.ts'
import { balancerObjects } from './children/balancer-objects.ts'
import { pinBalancer } from './children/balancer-pin.ts'
import { childMetadata } from './children/child-names.ts'
import { addressOf } from './children/service.ts'
import { backendService, readSpec } from './spec/read-spec.ts'
import { observePods } from './status/observed.ts'
import { countMembers, describeTarget, findTaken } from './status/related.ts'
import { describeRivals } from './status/rivals.ts'
import { type BalancerStatus, type Obstacle, statusOf } from './status/status.ts'

/** Answer of the composite's hooks; Metacontroller allows no other fields, and adds `observedGeneration` to the status. */
export interface CompositeResponse {
  readonly status: BalancerStatus
  readonly children: readonly DesiredObject[]
  readonly finalized?: boolean
}

export type CompositeOutcome = 'ready' | 'not_ready' | 'refused' | 'removed'

export interface CompositeResult {
  readonly outcome: CompositeOutcome
  readonly response: CompositeResponse
}

/** Sync hook of the composite: the desired children and the status of a WebSocketBalancer. Pure. */
export function syncBalancer(request: CompositeRequest, rendering: Rendering): CompositeResult {
  const { parent, children, related = {} } = request
  const { metadata } = parent
  const deployment = find(children, 'Deployment.apps/v1', balancerChildName(metadata.name))
  const pods = observePods(deployment)
  const observedObjects = [children, related].flatMap(Object.values).flatMap(Object.values) as ObservedObject[]
  const refuse = (obstacle: Obstacle): CompositeResult => {
    const status = statusOf(parent, { obstacle, pods, observedObjects })
    return { outcome: 'refused', response: { status, children: lastApplied(children, metadata.uid) } }
  }
  const read = readSpec(metadata.name, parent.spec)
  if (!read.ok) return refuse({ reason: 'Refused', message: read.message })
  const { spec } = read
  const desired = balancerObjects(metadata, spec, rendering, deployment).map(child =>
    child.kind === 'Deployment' ? pinBalancer(child, deployment, parent) : child,
  )
  const taken = findTaken(desired, related, metadata)
  if (taken) return refuse({ reason: 'NameTaken', message: explainTaken(taken) })
  const child = childMetadata(metadata, spec.target)
  const backend = backendService(spec)
  const members = countMembers(related, backend)
  const status = statusOf(parent, {
    pods,
    members,
    backend,
    targetProblem: members === 0 ? describeTarget(related, metadata.namespace, spec.target) : undefined,
    rivals: describeRivals(child, metadata.uid, children, related),
    address: addressOf(child, spec, find(children, 'Service.v1', child.name)),
    observedObjects,
  })
  const ready = status.conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True')
  return { outcome: ready ? 'ready' : 'not_ready', response: { status, children: desired } }
}

/** Finalize hook of the composite. Kubernetes deletes the children with their owner, so it waits for nothing. Pure. */
export function finalizeBalancer(request: CompositeRequest, rendering: Rendering): CompositeResult {
  const { status } = syncBalancer(request, rendering).response
  return { outcome: 'removed', response: { status, children: [], finalized: true } }
}

/** By the object's own name: Metacontroller's keys are `name` in version 1 of its hooks and `namespace/name` in version 2. */
const find = (objects: ObservedObjects, group: string, name: string): ObservedObject | undefined =>
  Object.values(objects[group] ?? {}).find(({ metadata }) => metadata.name === name)

function explainTaken({ kind, metadata: { name, ownerReferences = [] } }: ObservedObject): string {
  const owner = ownerReferences.find(({ controller }) => controller === true)
  const whose = owner ? `belongs to ${owner.kind} ${owner.name}` : 'was not made for this WebSocketBalancer'
  return `${kind} ${name} exists and ${whose}, so it is not changed. Delete or rename it, or use another name for the WebSocketBalancer.`
}
