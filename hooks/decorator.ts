import {
  API_VERSION,
  BALANCER_KIND,
  balancerChildName,
  STATUS_ANNOTATION,
  STATUS_MESSAGE_ANNOTATION,
} from '../lib/service/names.ts'
import { balancerObject, headlessServiceObject, selfAttachment } from './attachments.ts'
import { DEFAULT_SERVICE_PORT } from './balancer/service-spec.ts'
import type { Rendering } from './config.ts'
import { decide, type Injection } from './inject.ts'
import { type DesiredObject, keep } from './keep.ts'
import { type FoundSidecar, findSidecar, isOurs, otherOwners, ownsTemplate, wasInjected } from './ownership.ts'
import { tokenSecret } from './pod-token.ts'
import type { DecoratorRequest, Deployment, ObservedObjects } from './schemas.ts'

/** What the decorator's hooks answer; Metacontroller takes no other fields. `null` removes an annotation. */
export interface DecoratorResponse {
  readonly annotations?: Readonly<Record<string, string | null>>
  readonly attachments: readonly DesiredObject[]
  readonly resyncAfterSeconds?: number
  readonly finalized?: boolean
}

/** What a call came to, for metrics. */
export type DecoratorOutcome =
  | 'pending'
  | 'injected'
  | 'refused'
  | 'deleting'
  | 'removing'
  | 'removal_blocked'
  | 'removed'

export interface DecoratorResult {
  readonly outcome: DecoratorOutcome
  readonly response: DecoratorResponse
}

/** Annotation by which Metacontroller marks what a decorator applied; it lands on the Deployment too. */
export const DECORATOR_ANNOTATION = 'metacontroller.k8s.io/decorator-controller'

/**
 * Seconds until Metacontroller asks again while something is under way. It drops a sync whose update conflicts with another
 * writer, and the change that it waits for may then never come.
 */
const RETRY_SECONDS = 5

const PENDING =
  'The sidecar is requested and not yet in the pod template. If this stays, Metacontroller does not apply it: run it with --apply-strategy=server-side-apply.'

/** Sync hook of the decorator: what a labelled Deployment shall have. Pure. */
export function syncDeployment({ object, attachments }: DecoratorRequest, rendering: Rendering): DecoratorResult {
  // Applying anything to a Deployment that goes could bring it back, or hit its successor of the same name.
  if (object.metadata.deletionTimestamp !== undefined) return { outcome: 'deleting', response: { attachments: [] } }
  const found = findSidecar(object)
  const present = found !== undefined && isOurs(object, found)
  const decision = decide(object, rendering)
  if (!decision.inject) {
    const kept = present ? keep(attachments, object.metadata.uid) : []
    return { outcome: 'refused', response: { ...say(object, 'Refused', decision.message), attachments: kept } }
  }
  const desired = [
    selfAttachment(object, decision),
    headlessServiceObject(object, decision),
    ...(decision.settings.balancer === 'none' ? [] : [balancerObject(object, decision)]),
    ...(rendering.MASTER_KEY_FILE.length === 0 ? [] : [tokenSecret(object, rendering.MASTER_KEY_FILE)]),
  ]
  return present
    ? {
        outcome: 'injected',
        response: { ...say(object, 'Injected', describe(object, decision, attachments)), attachments: desired },
      }
    : {
        outcome: 'pending',
        response: { ...say(object, 'Pending', PENDING), attachments: desired, resyncAfterSeconds: RETRY_SECONDS },
      }
}

/**
 * Finalize hook of the decorator: the label is gone, or the Deployment is. Removal takes two calls, because Metacontroller
 * lets go of the Deployment *before* it applies what the last call returns. Pure.
 */
export function finalizeDeployment({ object }: DecoratorRequest): DecoratorResult {
  if (object.metadata.deletionTimestamp !== undefined) {
    return { outcome: 'deleting', response: { attachments: [], finalized: true } }
  }
  const found = findSidecar(object)
  const left = found && (isOurs(object, found) || wasInjected(object)) ? found : undefined
  const untracked = (object.metadata.managedFields ?? []).length === 0
  if (ownsTemplate(object) || (left && untracked)) {
    const response = { attachments: [selfAttachment(object)], resyncAfterSeconds: RETRY_SECONDS, finalized: false }
    return { outcome: 'removing', response }
  }
  if (left) return blocked(object, left)
  return {
    outcome: 'removed',
    response: {
      annotations: { [STATUS_ANNOTATION]: null, [STATUS_MESSAGE_ANNOTATION]: null, [DECORATOR_ANNOTATION]: null },
      attachments: [],
      finalized: true,
    },
  }
}

/** We own nothing any more and the container is still there: fields that somebody else owns too stay. */
function blocked(object: Deployment, found: FoundSidecar): DecoratorResult {
  const owners = otherOwners(object, found).join(', ') || 'nobody on record'
  const message = `Container ${found.container.name} stays because it is also owned by ${owners}. Remove it from spec.template.spec.${found.list} by hand; the rest is then cleaned up.`
  return {
    outcome: 'removal_blocked',
    response: { ...say(object, 'RemovalBlocked', message), attachments: [selfAttachment(object)], finalized: false },
  }
}

function describe(
  { metadata: { name } }: Deployment,
  { settings, ports, advice }: Injection,
  { [`${BALANCER_KIND}.${API_VERSION}`]: balancers }: ObservedObjects,
): string {
  const made = balancers === undefined || Object.values(balancers).some(({ metadata }) => metadata.name === name)
  const entry =
    settings.balancer === 'none'
      ? 'No balancer is made.'
      : made
        ? `Clients connect to Service ${balancerChildName(name)}, port ${DEFAULT_SERVICE_PORT}.`
        : `${BALANCER_KIND} ${name} is not made yet. If this stays, there is one that ws-operator did not make for this Deployment: delete it, or keep it and set ws.operator/balancer to none.`
  return [`Sidecar on port ${ports.sidecar}, app on port ${ports.app}.`, entry, ...advice].join(' ')
}

/** Status annotations, with a second look when they change: that update is what may be dropped. */
function say(
  { metadata }: Deployment,
  status: 'Pending' | 'Injected' | 'Refused' | 'RemovalBlocked',
  message: string,
): Pick<DecoratorResponse, 'annotations' | 'resyncAfterSeconds'> {
  const annotations = { [STATUS_ANNOTATION]: status, [STATUS_MESSAGE_ANNOTATION]: message }
  const same = Object.entries(annotations).every(([name, value]) => metadata.annotations?.[name] === value)
  return { annotations, ...(same ? {} : { resyncAfterSeconds: RETRY_SECONDS }) }
}
