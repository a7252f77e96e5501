import { DOMAIN } from '../../../lib/service/names.ts'
import { NATIVE_SINCE } from '../../annotations/annotations.ts'
import type { Balancer, ObservedObject } from '../../requests/schemas.ts'
import { type Condition, conditionsOf, type Finding } from './conditions.ts'
import type { ObservedPods } from './observed.ts'
import type { TargetProblem } from './related.ts'

/** Reasons of the condition Ready, and what each means. */
export const READY_REASONS = {
  Available: 'Clients are served.',
  Creating: 'The balancer is being created.',
  PodsNotReady: 'No balancer pod is ready.',
  NoTarget: 'No Deployment has the name in spec.target, so the balancer has no pod for clients.',
  NoMembers: 'No sidecar is ready behind the balancer, so it has no pod for clients.',
  NoAddress: 'The Service requests a load balancer, and none serves it yet.',
  ScaledToZero: 'The balancer is scaled to 0 pods.',
  NameTaken: 'An object that ws-operator did not make has the name of one that it would make. It is not changed.',
  Refused: 'The spec cannot be used; the message says why. Present objects are not changed.',
} as const

type ReadyReason = keyof typeof READY_REASONS

/** Why the spec cannot be applied. */
export interface Obstacle {
  readonly reason: ReadyReason & ('Refused' | 'NameTaken')
  readonly message: string
}

/** The observed state of a balancer. */
export interface Observed {
  readonly obstacle?: Obstacle
  /** Absent where there is no Deployment yet. */
  readonly pods: ObservedPods | undefined
  /** Ready sidecars; absent where they were not counted. */
  readonly members?: number | undefined
  /** Name of the Service that has them. */
  readonly backend?: string
  readonly address?: string | undefined
  /** Why there are no members, where the target shows it. */
  readonly targetProblem?: TargetProblem | undefined
  /** Others that change the balancer's objects, as a sentence. */
  readonly rivals?: string | undefined
  /** All objects in the request. */
  readonly observedObjects: readonly ObservedObject[]
}

/** Status of a WebSocketBalancer; Metacontroller adds `observedGeneration`. */
export interface BalancerStatus {
  readonly pods: string
  readonly replicas: number
  readonly readyReplicas: number
  readonly members?: number
  readonly address?: string
  readonly conditions: readonly Condition[]
}

/** The status of a balancer. It depends on the request only, so it is written only after a change. */
export function statusOf(parent: Balancer, observed: Observed): BalancerStatus {
  const { pods, members, address, observedObjects } = observed
  const findings = [ready(observed), progressing(observed), degraded(observed)]
  return {
    pods: `${pods?.ready ?? 0}/${pods?.wanted ?? 0}`,
    replicas: pods?.replicas ?? 0,
    readyReplicas: pods?.ready ?? 0,
    ...(members !== undefined && { members }),
    ...(address !== undefined && { address }),
    conditions: conditionsOf(parent, observedObjects, findings),
  }
}

/** Whether clients are served. */
function ready({ obstacle, pods, members, targetProblem, backend, address }: Observed): Finding {
  const no = (reason: ReadyReason, message: string): Finding => ({ type: 'Ready', status: 'False', reason, message })
  if (obstacle) return no(obstacle.reason, obstacle.message)
  if (!pods) return no('Creating', READY_REASONS.Creating)
  if (pods.wanted === 0) return no('ScaledToZero', 'The balancer is scaled to 0 pods, so clients cannot connect.')
  if (members === 0) {
    if (targetProblem) return no(targetProblem.reason, targetProblem.message)
    return no(
      'NoMembers',
      `No sidecar is ready behind Service ${backend}. Check that the Deployment is labelled and has pods, and that its app accepts connections. Before Kubernetes ${NATIVE_SINCE} it also needs ${DOMAIN}/sidecar-mode: classic.`,
    )
  }
  const message = `${pods.ready} of ${pods.wanted} balancer pods are ready.`
  if (pods.ready === 0) {
    return no('PodsNotReady', pods.failure ? `${message} ${pods.failure.reason}: ${pods.failure.message}` : message)
  }
  if (address === undefined)
    return no('NoAddress', 'The Service has no address yet: no load balancer has given it one.')
  const reason: ReadyReason = 'Available'
  return { type: 'Ready', status: 'True', reason, message }
}

/** Whether pods are being made or replaced. */
function progressing({ obstacle, pods }: Observed): Finding {
  const finding = (status: Finding['status'], reason: string, message: string): Finding => ({
    type: 'Progressing',
    status,
    reason,
    message,
  })
  if (obstacle) return finding('False', obstacle.reason, 'Nothing is changed until that is fixed.')
  if (!pods) return finding('True', 'Creating', 'The balancer is being created.')
  if (pods.failure) return finding('False', pods.failure.reason, pods.failure.message)
  const message = `${pods.updated} of ${pods.wanted} balancer pods are of the newest revision.`
  return pods.rolledOut ? finding('False', 'Complete', message) : finding('True', 'RollingOut', message)
}

/** Whether a person must act. */
function degraded({ obstacle, pods, targetProblem, rivals }: Observed): Finding {
  const missing = targetProblem?.reason === 'NoTarget' ? targetProblem : undefined
  const contested = rivals === undefined ? undefined : { reason: 'Contested', message: rivals }
  const problem = obstacle ?? pods?.failure ?? missing ?? contested
  return problem
    ? { type: 'Degraded', status: 'True', reason: problem.reason, message: problem.message }
    : { type: 'Degraded', status: 'False', reason: 'AsSpecified', message: 'Nothing is in the way.' }
}
