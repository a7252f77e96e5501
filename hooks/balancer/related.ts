import { membersOfSlices } from '../../lib/routing/discovery/endpoint-slices.ts'
import { balancerChildName, SIDECAR_PORT_NAME } from '../../lib/service/names.ts'
import type { CustomizeRequest, ObservedObject, ObservedObjects } from '../schemas.ts'
import { backendService, readSpec } from './read-spec.ts'

/** An object that is shown to the sync hook beside the children. */
interface RelatedRule {
  readonly apiVersion: string
  readonly resource: string
  readonly namespace: string
  readonly names?: readonly string[]
  readonly labelSelector?: { readonly matchLabels: Readonly<Record<string, string>> }
}

/** The kinds of children; an object of a user could have the name of one. */
const CHILD_RESOURCES = [
  ['v1', 'serviceaccounts'],
  ['rbac.authorization.k8s.io/v1', 'roles'],
  ['rbac.authorization.k8s.io/v1', 'rolebindings'],
  ['apps/v1', 'deployments'],
  ['v1', 'services'],
  ['policy/v1', 'poddisruptionbudgets'],
  ['autoscaling/v2', 'horizontalpodautoscalers'],
] as const

/** Label by which EndpointSlices name their Service. */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/**
 * What the sync hook wants to see: whatever has the name of a child, and the EndpointSlices of the sidecars. Metacontroller keeps the
 * answer for as long as the parent's generation stays, so it depends on name, namespace and spec only. Pure.
 */
export function relatedRules({ parent: { metadata, spec } }: CustomizeRequest): RelatedRule[] {
  const { name, namespace } = metadata
  const names = [balancerChildName(name)]
  const read = readSpec(name, spec)
  return [
    ...CHILD_RESOURCES.map(([apiVersion, resource]) => ({ apiVersion, resource, namespace, names })),
    ...(read.ok
      ? [
          {
            apiVersion: 'discovery.k8s.io/v1',
            resource: 'endpointslices',
            namespace,
            labelSelector: { matchLabels: { [SERVICE_NAME_LABEL]: backendService(read.spec) } },
          },
        ]
      : []),
  ]
}

/**
 * Sidecars that are ready behind a Service, counted as the balancer itself counts them.
 *
 * @returns `undefined` where Metacontroller was not asked for EndpointSlices
 */
export function countMembers(related: ObservedObjects, service: string): number | undefined {
  const slices = related['EndpointSlice.discovery.k8s.io/v1']
  if (slices === undefined) return undefined
  const ours = Object.values(slices).filter(({ metadata }) => metadata.labels?.[SERVICE_NAME_LABEL] === service)
  try {
    return membersOfSlices(ours as never, SIDECAR_PORT_NAME).members.length
  } catch {
    // No EndpointSlice that an API server would have taken.
    return undefined
  }
}

/** An object with the name of a child that is not this balancer's: applying the child would take it over. */
export function findTaken(
  desired: readonly { readonly apiVersion?: string; readonly kind?: string }[],
  related: ObservedObjects,
  { name, namespace, uid }: ObservedObject['metadata'],
): ObservedObject | undefined {
  const child = balancerChildName(name)
  return desired
    .flatMap(({ apiVersion, kind }) => Object.values(related[`${kind}.${apiVersion}`] ?? {}))
    .find(
      ({ metadata }) =>
        metadata.name === child &&
        metadata.namespace === namespace &&
        !metadata.ownerReferences?.some(owner => owner.controller === true && owner.uid === uid),
    )
}
