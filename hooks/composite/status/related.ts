import { membersOfSlices } from '../../../lib/routing/discovery/endpoint-slices.ts'
import { balancerChildName, ENABLE_LABEL, SIDECAR_PORT_NAME } from '../../../lib/service/names.ts'
import type { CustomizeRequest, ObservedObject, ObservedObjects } from '../../requests/schemas.ts'
import { list, record } from '../../requests/untyped.ts'
import { backendService, readSpec } from '../spec/read-spec.ts'
import { failureOf } from './observed.ts'

/** Selects objects that the sync hook gets in addition to the children. */
interface RelatedRule {
  readonly apiVersion: string
  readonly resource: string
  readonly namespace: string
  readonly names?: readonly string[]
  readonly labelSelector?: { readonly matchLabels?: Readonly<Record<string, string>> }
}

/** Resources of the children, to notice a user's object that has the name of one. */
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
 * The objects that the sync hook needs: those with the name of a child, autoscalers, the target, and the sidecars' EndpointSlices. Pure.
 * Metacontroller caches the answer for a generation of the parent, so it depends on name, namespace and spec only.
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
 * The number of ready sidecars behind a Service, counted as the balancer counts them.
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
    // An API server would have refused such an EndpointSlice.
    return undefined
  }
}

/**
 * Why no sidecar is ready behind a balancer, as far as its target shows; `undefined` where it shows no reason.
 *
 * @param target name of a Deployment
 */
export function describeTarget(related: ObservedObjects, namespace: string, target: string): TargetProblem | undefined {
  const deployments = related['Deployment.apps/v1']
  if (deployments === undefined) return undefined
  const found = Object.values(deployments).find(
    ({ metadata }) => metadata.name === target && metadata.namespace === namespace,
  )
  if (found === undefined)
    return { reason: 'NoTarget', message: `There is no Deployment ${target} in namespace ${namespace}.` }
  const noMembers = (message: string): TargetProblem => ({ reason: 'NoMembers', message })
  if (found.metadata.labels?.[ENABLE_LABEL] !== 'true')
    return noMembers(`Deployment ${target} has no sidecars: label it with ${ENABLE_LABEL}=true.`)
  const { status } = found as { status?: unknown }
  const failure = failureOf(list(record(status)['conditions']).map(record))
  return failure && noMembers(`No pod of Deployment ${target} is ready. ${failure.reason}: ${failure.message}`)
}

/** Why a balancer has no members. */
export interface TargetProblem {
  readonly reason: 'NoTarget' | 'NoMembers'
  readonly message: string
}

/** Finds a foreign object that has the name of a child: applying the child would take it over. */
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
