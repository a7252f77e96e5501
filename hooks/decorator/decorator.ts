import { SIDECAR_REVISION_ANNOTATION, STATUS_ANNOTATION, STATUS_MESSAGE_ANNOTATION } from '../../lib/service/names.ts'
import { type DesiredObject, lastApplied } from '../apply/last-applied.ts'
import {
  type FoundSidecar,
  findSidecar,
  isOurs,
  otherOwners,
  ownsTemplate,
  wasInjected,
} from '../apply/managed-fields.ts'
import { describeMetacontrollers } from '../composite/status/rivals.ts'
import type { Rendering } from '../config.ts'
import type { DecoratorRequest, Deployment, ObservedObjects } from '../requests/schemas.ts'
import { headlessService } from '../sidecar/container.ts'
import { portsOf } from '../sidecar/ports.ts'
import { balancerObject, headlessServiceObject, selfAttachment } from './attachments.ts'
import { type Decision, decide } from './decide.ts'
import { describeEntry } from './entry-point.ts'
import { missingService } from './headless-service.ts'
import { tokenSecret } from './pod-token.ts'
import { isRollingOut, rolloutAdvice, upgradeAdvice } from './rollout-advice.ts'

/** Answer of the decorator's hooks; Metacontroller allows no other fields. `null` removes an annotation. */
export interface DecoratorResponse {
  readonly annotations?: Readonly<Record<string, string | null>>
  readonly attachments: readonly DesiredObject[]
  readonly resyncAfterSeconds?: number
  readonly finalized?: boolean
}

/** Outcome of a call, for metrics. */
export type DecoratorOutcome =
  | 'pending'
  | 'injected'
  | 'pinned'
  | 'refused'
  | 'deleting'
  | 'removing'
  | 'removal_blocked'
  | 'removed'

/** A decision by which the Deployment has a sidecar. */
type Wanted = Exclude<Decision, { readonly kind: 'refuse' }>

export interface DecoratorResult {
  readonly outcome: DecoratorOutcome
  readonly response: DecoratorResponse
}

/** Metacontroller sets this annotation on everything that a decorator applies, so on the Deployment too. */
export const DECORATOR_ANNOTATION = 'metacontroller.k8s.io/decorator-controller'

/**
 * Seconds until Metacontroller asks again after an answer that changes the Deployment. It drops a sync whose update conflicts with
 * another writer, such as a rollout, and no later event may repeat it.
 */
const AGAIN_SECONDS = 1

/** Seconds until it asks again while the sidecar is missing, which lasts where server-side apply is turned off. */
const PENDING_SECONDS = 5

/** Seconds until it asks again during a rollout, which a quota may refuse. */
const ROLLOUT_SECONDS = 20

const PENDING =
  'The sidecar is requested and not yet in the pod template. If this stays, Metacontroller does not apply it: run it with --apply-strategy=server-side-apply. Or the API server refuses the change: see Events (SyncError).'

/** Sync hook of the decorator: the desired attachments and status of a labelled Deployment. Pure. */
export function syncDeployment(request: DecoratorRequest, rendering: Rendering): DecoratorResult {
  const { object, attachments } = request
  // Applying to a Deployment that is being deleted could recreate it, or change its successor of the same name.
  if (object.metadata.deletionTimestamp !== undefined) return { outcome: 'deleting', response: { attachments: [] } }
  const decision = decide(request, rendering)
  if (decision.kind === 'refuse') return refused(request, decision.message)
  const desired = desiredAttachments(object, decision, rendering)
  if (decision.kind === 'apply' && !decision.present) {
    const status = statusAnnotations(object, 'Pending', PENDING, decision.revision)
    return { outcome: 'pending', response: { resyncAfterSeconds: PENDING_SECONDS, ...status, attachments: desired } }
  }
  const message = describe(object, decision, attachments)
  return {
    outcome: decision.kind === 'keep' ? 'pinned' : 'injected',
    response: {
      ...(isRollingOut(object) ? { resyncAfterSeconds: ROLLOUT_SECONDS } : {}),
      ...statusAnnotations(object, 'Injected', message, decision.revision),
      attachments: desired,
    },
  }
}

/**
 * Repeats what was applied last, even while the sidecar is missing (as after kubectl replace): its pods still run, and clients reach
 * them through the kept objects.
 */
const refused = ({ object, attachments }: DecoratorRequest, message: string): DecoratorResult => ({
  outcome: 'refused',
  response: {
    ...statusAnnotations(object, 'Refused', message),
    attachments: lastApplied(attachments, object.metadata.uid),
  },
})

function desiredAttachments(object: Deployment, { kind, plan, revision }: Wanted, rendering: Rendering) {
  return [
    // A kept sidecar is not applied again: it stays, with the record of its owners.
    ...(kind === 'keep' ? [] : [selfAttachment(object, plan)]),
    headlessServiceObject(object, plan),
    ...(plan.settings.balancer === 'none' ? [] : [balancerObject(object, plan, revision)]),
    ...(rendering.MASTER_KEY_FILE.length === 0 ? [] : [tokenSecret(object, rendering.MASTER_KEY_FILE)]),
  ]
}

/**
 * Finalize hook of the decorator, after the label or the Deployment was deleted. Removal takes two calls, because Metacontroller
 * removes its finalizer *before* it applies the last answer. Pure.
 */
export function finalizeDeployment({ object }: DecoratorRequest): DecoratorResult {
  if (object.metadata.deletionTimestamp !== undefined) {
    return { outcome: 'deleting', response: { attachments: [], resyncAfterSeconds: AGAIN_SECONDS, finalized: true } }
  }
  const found = findSidecar(object)
  const left = found && (isOurs(object, found) || wasInjected(object)) ? found : undefined
  const others = left ? otherOwners(object, left) : []
  if (left && others.length > 0) return blocked(object, left, `it is also owned by ${others.join(', ')}`)
  const untracked = (object.metadata.managedFields ?? []).length === 0
  if (ownsTemplate(object) || (left && untracked)) {
    const response = { attachments: [selfAttachment(object)], resyncAfterSeconds: AGAIN_SECONDS, finalized: false }
    return { outcome: 'removing', response }
  }
  if (left) return blocked(object, left, 'managedFields do not say who owns it')
  return {
    outcome: 'removed',
    response: {
      annotations: {
        [STATUS_ANNOTATION]: null,
        [STATUS_MESSAGE_ANNOTATION]: null,
        [SIDECAR_REVISION_ANNOTATION]: null,
        [DECORATOR_ANNOTATION]: null,
      },
      attachments: [],
      resyncAfterSeconds: AGAIN_SECONDS,
      finalized: true,
    },
  }
}

/**
 * Fields that another manager also owns would stay, so nothing is removed: the rest of a native sidecar would be an init container
 * that never ends, and no pod of the app could start.
 */
function blocked(object: Deployment, found: FoundSidecar, reason: string): DecoratorResult {
  const message = `Container ${found.container.name} stays because ${reason}. Remove it from spec.template.spec.${found.list} by hand; the rest is then cleaned up.`
  return {
    outcome: 'removal_blocked',
    response: { ...statusAnnotations(object, 'RemovalBlocked', message), attachments: [], finalized: false },
  }
}

function describe(deployment: Deployment, decision: Wanted, attachments: ObservedObjects): string {
  const { settings, sidecar, advice } = decision.plan
  const ports = decision.kind === 'keep' ? portsOf(decision.current.container) : decision.plan.ports
  return [
    ...rolloutAdvice(deployment),
    ...(ports ? [`Sidecar on port ${ports.sidecar}, app on port ${ports.app}.`] : []),
    describeEntry(deployment, settings, attachments),
    ...missingService(headlessService(deployment, settings), attachments),
    ...describeMetacontrollers([deployment], deployment.metadata.uid),
    ...(decision.kind === 'keep' ? [upgradeAdvice(deployment, sidecar)] : []),
    ...advice,
  ].join(' ')
}

/** The annotations with status and revision. A change of them asks for another sync, because Metacontroller may drop the update. */
function statusAnnotations(
  { metadata }: Deployment,
  status: 'Pending' | 'Injected' | 'Refused' | 'RemovalBlocked',
  message: string,
  revision?: string,
): Pick<DecoratorResponse, 'annotations' | 'resyncAfterSeconds'> {
  const annotations = {
    [STATUS_ANNOTATION]: status,
    [STATUS_MESSAGE_ANNOTATION]: message,
    ...(revision !== undefined && { [SIDECAR_REVISION_ANNOTATION]: revision }),
  }
  const same = Object.entries(annotations).every(([name, value]) => metadata.annotations?.[name] === value)
  return { annotations, ...(same ? {} : { resyncAfterSeconds: AGAIN_SECONDS }) }
}
