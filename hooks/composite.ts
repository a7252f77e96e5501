import { balancerChildName } from '../lib/service/names.ts'
import { balancerObjects } from './balancer-objects.ts'
import { pinBalancer } from './balancer-pin.ts'
import { readSpec } from './balancer-spec.ts'
import type { Rendering } from './config.ts'
import { type DesiredObject, keep } from './keep.ts'
import type { Balancer, CompositeRequest, ObservedObject } from './schemas.ts'

/** A condition as Kubernetes writes them. */
interface Condition {
  readonly type: string
  readonly status: string
  readonly reason: string
  readonly message: string
  readonly lastTransitionTime?: string
}

export interface BalancerStatus {
  readonly replicas: number
  readonly readyReplicas: number
  readonly message: string
  readonly conditions: readonly Condition[]
}

/** What the composite's hooks answer; Metacontroller takes no other fields, and adds `observedGeneration` to the status. */
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

/** Sync hook of the composite: what a WebSocketBalancer shall have, and how it does. Pure. */
export function syncBalancer({ parent, children }: CompositeRequest, rendering: Rendering): CompositeResult {
  const { metadata } = parent
  const read = readSpec(metadata.name, parent.spec)
  // By the object's own name: Metacontroller's keys are `name` in version 1 of its hooks and `namespace/name` in version 2.
  const deployments = Object.values(children['Deployment.apps/v1'] ?? {})
  const deployment = deployments.find(child => child.metadata.name === balancerChildName(metadata.name))
  const observed = observe(deployment)
  if (!read.ok) {
    const status = report(parent, observed, { status: 'False', reason: 'Refused', message: read.message })
    return { outcome: 'refused', response: { status, children: keep(children, metadata.uid) } }
  }
  const ready = observed.available?.status === 'True'
  const status = report(parent, observed, {
    status: ready ? 'True' : 'False',
    reason: ready ? 'Available' : observed.exists ? 'Progressing' : 'Creating',
    message: observed.exists
      ? `${observed.readyReplicas} of ${observed.replicas} balancer pods are ready.`
      : 'The balancer is being created.',
  })
  const desired = balancerObjects(metadata, read.spec, rendering).map(child =>
    child.kind === 'Deployment' ? pinBalancer(child, deployment, parent) : child,
  )
  return { outcome: ready ? 'ready' : 'not_ready', response: { status, children: desired } }
}

/** Finalize hook of the composite: the children go with their owner, so there is nothing to wait for. Pure. */
export function finalizeBalancer(request: CompositeRequest, rendering: Rendering): CompositeResult {
  const { status } = syncBalancer(request, rendering).response
  return { outcome: 'removed', response: { status, children: [], finalized: true } }
}

interface Observed {
  readonly exists: boolean
  readonly replicas: number
  readonly readyReplicas: number
  readonly available: { readonly status?: unknown; readonly lastTransitionTime?: unknown } | undefined
}

function observe(deployment: ObservedObject | undefined): Observed {
  const status = record((deployment as { status?: unknown } | undefined)?.status)
  const conditions = Array.isArray(status['conditions']) ? status['conditions'].map(record) : []
  return {
    exists: deployment !== undefined,
    replicas: count(status['replicas']),
    readyReplicas: count(status['readyReplicas']),
    available: conditions.find(({ type }) => type === 'Available'),
  }
}

function report(
  parent: Balancer,
  { replicas, readyReplicas, available }: Observed,
  ready: Pick<Condition, 'status' | 'reason' | 'message'>,
): BalancerStatus {
  // There is no clock here: the time is the one at which the Deployment changed, or the object came to be.
  const time = available?.lastTransitionTime ?? parent.metadata.creationTimestamp
  return {
    replicas,
    readyReplicas,
    message: ready.message,
    conditions: [{ type: 'Ready', ...ready, ...(typeof time === 'string' && { lastTransitionTime: time }) }],
  }
}

const record = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

const count = (value: unknown): number => (Number.isInteger(value) ? (value as number) : 0)
