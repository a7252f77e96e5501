import { ownerManagers } from '../../apply/managed-fields.ts'
import type { ObservedObject, ObservedObjects } from '../../requests/schemas.ts'
import { record } from '../../requests/untyped.ts'
import type { ChildMetadata } from '../children/child-names.ts'

/** Annotation of a Metacontroller that does not use server-side apply. */
const LAST_APPLIED = 'metacontroller.k8s.io/last-applied-configuration'

/**
 * Describes others that change the balancer's objects: a foreign autoscaler, or a second Metacontroller. Both are visible in each
 * observation, so the answer does not flap while they undo each other.
 *
 * @param owner uid of the WebSocketBalancer
 */
export function describeRivals(
  { name, namespace }: ChildMetadata,
  owner: string,
  children: ObservedObjects,
  related: ObservedObjects,
): string | undefined {
  const said = [
    ...Object.values(related['HorizontalPodAutoscaler.autoscaling/v2'] ?? {})
      .filter(({ metadata }) => metadata.namespace === namespace && !isOurs(metadata, owner))
      .filter(autoscaler => scales(autoscaler, name))
      .map(
        ({ metadata }) =>
          `HorizontalPodAutoscaler ${metadata.name} scales Deployment ${name}, whose number of pods is set by ws-operator: each undoes what the other does. Delete it and set spec.autoscaling.`,
      ),
    ...describeMetacontrollers(Object.values(children).flatMap(Object.values) as ObservedObject[], owner),
  ]
  return said.length > 0 ? said.join(' ') : undefined
}

/** Reports a second Metacontroller that runs ws-operator's controllers; at most one sentence. */
export function describeMetacontrollers(objects: readonly ObservedObject[], owner: string): string[] {
  for (const object of objects) {
    const { kind, metadata } = object
    const managers = ownerManagers(object, owner)
    const dynamic = metadata.annotations?.[LAST_APPLIED] !== undefined
    if (managers.length < 2 && !dynamic) continue
    const who =
      managers.length < 2
        ? 'one without server-side apply, and ours'
        : `with the field managers ${managers.join(' and ')}`
    return [
      `Two Metacontrollers have applied ${kind} ${metadata.name} (${who}): each may undo what the other does. Give the other one --target-label-selector=app.kubernetes.io/part-of!=ws-operator.`,
    ]
  }
  return []
}

const isOurs = ({ ownerReferences = [] }: ObservedObject['metadata'], owner: string): boolean =>
  ownerReferences.some(({ controller, uid }) => controller === true && uid === owner)

function scales(autoscaler: ObservedObject, deployment: string): boolean {
  const { kind, name } = record(record((autoscaler as { spec?: unknown }).spec)['scaleTargetRef'])
  return kind === 'Deployment' && name === deployment
}
