import { membersOfSlices } from '../../../lib/routing/discovery/endpoint-slices.ts'
import { balancerChildName, ENABLE_LABEL, SIDECAR_PORT_NAME } from '../../../lib/service/names.ts'
import type { CustomizeRequest, ObservedObject, ObservedObjects } from '../../requests/schemas.ts'
import { list, record } from '../../requests/untyped.ts'
import { backendService, readSpec } from '../spec/read-spec.ts'
import { failureOf } from './observed.ts'

/** An object that is shown to the sync hook beside the children. */
interface RelatedRule {
  readonly apiVersion: string
  readonly resource: string
  readonly namespace: string
  readonly names?: readonly string[]
  readonly labelSelector?: { readonly matchLabels?: Readonly<Record<string, string>> }
}

/** The kinds of children; an object of a user could have the name of one. */
const CHILD_RESOURCES = [
  ['v1', 'serviceaccounts'],
  ['rbac.authorization.k8s.io/v1', 'roles'],
  ['rbac.authorization.k8s.io/v1', 'rolebindings'],
  ['apps/v1', 'deployments'],
  ['v1', 'services'],
  ['policy/v1', 'poddisruptionbudgets'],
] as const

/** Label by which EndpointSlices name their Service. */
const SERVICE_NAME_LABEL = 'kubernetes.io/service-name'

/**
 * What the sync hook wants to see: whatever has the name of a child, the autoscalers of the namespace, one of which may scale a child,
 * the Deployment that is the target, and the EndpointSlices of the sidecars. Metacontroller keeps the answer for as long as the parent's generation stays, so it depends on name, namespace and spec only. Pure.
 */
export function relatedRules({ parent: { metadata, spec } }: CustomizeRequest): RelatedRule[] {
  const { name, namespace } = metadata
  const child = balancerChildName(name)
  const read = readSpec(name, spec)
  const target = read.ok ? [read.spec.target] : []
  return [
    ...CHILD_RESOURCES.map(([apiVersion, resource]) => ({
      apiVersion,
      resource,
      namespace,
      names: resource === 'deployments' ? [...new Set([child, ...target])] : [child],
    })),
    { apiVersion: 'autoscaling/v2', resource: 'horizontalpodautoscalers', namespace, labelSelector: {} },
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

/**
 * Why nobody is ready behind a balancer, as far as its target tells; `undefined` where it tells nothing.
 *
 * @param target name of a Deployment
 */
export function describeTarget(related: ObservedObjects, namespace: string, target: string): Lack | undefined {
  const deployments = related['Deployment.apps/v1']
  if (deployments === undefined) return undefined
  const found = Object.values(deployments).find(
    ({ metadata }) => metadata.name === target && metadata.namespace === namespace,
  )
  if (found === undefined)
    return { reason: 'NoTarget', message: `There is no Deployment ${target} in namespace ${namespace}.` }
  const lacks = (message: string): Lack => ({ reason: 'NoMembers', message })
  if (found.metadata.labels?.[ENABLE_LABEL] !== 'true')
    return lacks(`Deployment ${target} has no sidecars: label it with ${ENABLE_LABEL}=true.`)
  const { status } = found as { status?: unknown }
  const failure = failureOf(list(record(status)['conditions']).map(record))
  return failure && lacks(`No pod of Deployment ${target} is ready. ${failure.reason}: ${failure.message}`)
}

/** What a balancer has not, and why. */
export interface Lack {
  readonly reason: 'NoTarget' | 'NoMembers'
  readonly message: string
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
