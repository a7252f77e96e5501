import { fieldConflict } from '../apply/field-conflicts.ts'
import { type FoundSidecar, findSidecar, isOurs } from '../apply/managed-fields.ts'
import type { Rendering } from '../config.ts'
import type { DecoratorRequest } from '../requests/schemas.ts'
import { pinSidecar } from '../sidecar/sidecar-pin.ts'
import { refuseServiceName } from './headless-service.ts'
import { planSidecar, type SidecarPlan } from './plan-sidecar.ts'
import type { Refusal } from './refusals.ts'

/** What to do about a labelled Deployment. */
export type Decision =
  /** Today's sidecar is applied; `present`: the pod template already has one of ours. */
  | { readonly kind: 'apply'; readonly plan: SidecarPlan; readonly revision: string; readonly present: boolean }
  /** The present sidecar stays until the next rollout, because only ws-operator has changed. */
  | { readonly kind: 'keep'; readonly plan: SidecarPlan; readonly revision: string; readonly current: FoundSidecar }
  /** Nothing is changed, and the status says why. */
  | ({ readonly kind: 'refuse' } & Refusal)

/** The only decision of the decorator's sync hook; the rest renders it. Pure: depends on nothing but its arguments. */
export function decide(
  { object, attachments }: Pick<DecoratorRequest, 'object' | 'attachments'>,
  rendering: Rendering,
): Decision {
  const planned = planSidecar(object, rendering)
  if (!planned.ok) return refuse(planned)
  const { plan } = planned
  const taken = refuseServiceName(plan.settings, attachments)
  if (taken) return refuse(taken)
  const found = findSidecar(object)
  const current = found && isOurs(object, found) ? found : undefined
  const { kept, revision } = pinSidecar(object, current, plan, rendering)
  if (current && kept) return { kind: 'keep', plan, revision, current }
  const conflict = current && fieldConflict(object, current, plan)
  if (conflict) return refuse({ reason: 'field-conflict', message: conflict })
  return { kind: 'apply', plan, revision, present: current !== undefined }
}

const refuse = ({ reason, message }: Refusal): Decision => ({ kind: 'refuse', reason, message })
