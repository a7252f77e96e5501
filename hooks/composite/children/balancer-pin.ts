import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import { BALANCER_REVISION_ANNOTATION, SIDECAR_REVISION_ANNOTATION } from '../../../lib/service/names.ts'
import { pick } from '../../apply/last-applied.ts'
import { appliedTemplate } from '../../apply/managed-fields.ts'
import { pin } from '../../apply/revision.ts'
import { OPERATOR_VERSION } from '../../config.ts'
import type { Balancer, ObservedObject } from '../../requests/schemas.ts'

/** Fields of a WebSocketBalancer's spec that its pods do not depend on. */
export const NOT_FOR_THE_PODS = ['targetUID', 'replicas', 'autoscaling', 'service'] as const

/** What `kubectl rollout restart` sets in a pod template. */
const RESTARTED_AT = 'kubectl.kubernetes.io/restartedAt'

/**
 * A balancer's Deployment with the pod template to apply: the present one where only ws-operator has changed; today's after a change
 * of the spec, a new sidecar of the target, or a restart.
 *
 * @param observed that Deployment in the cluster, if it exists
 */
export function pinBalancer(desired: Deployment, observed: ObservedObject | undefined, parent: Balancer): Deployment {
  const there = observed as (ObservedObject & Pick<Deployment, 'spec'>) | undefined
  const fields = there && appliedTemplate(there, parent.metadata.uid)
  const applied = fields && (pick(there.spec?.template, fields) as NonNullable<Deployment['spec']>['template'])
  const spec = Object.entries(parent.spec ?? {}).filter(
    ([name]) => !(NOT_FOR_THE_PODS as readonly string[]).includes(name),
  )
  const { kept, revision } = pin({
    recorded: there?.metadata.annotations?.[BALANCER_REVISION_ANNOTATION],
    today: desired.spec?.template,
    applied,
    inputs: {
      spec: Object.fromEntries(spec),
      sidecar: parent.metadata.annotations?.[SIDECAR_REVISION_ANNOTATION],
      restartedAt: there?.spec?.template?.metadata?.annotations?.[RESTARTED_AT],
    },
    upgrade: false,
    version: OPERATOR_VERSION,
  })
  const { metadata } = desired
  return {
    ...desired,
    metadata: { ...metadata, annotations: { ...metadata?.annotations, [BALANCER_REVISION_ANNOTATION]: revision } },
    ...(desired.spec && { spec: { ...desired.spec, ...(kept && applied && { template: applied }) } }),
  }
}
