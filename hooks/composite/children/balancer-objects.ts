import type { ServiceAccount } from 'kubernetes-types/core/v1.d.ts'
import type { PodDisruptionBudget } from 'kubernetes-types/policy/v1.d.ts'
import type { Role, RoleBinding } from 'kubernetes-types/rbac/v1.d.ts'
import type { Rendering } from '../../config.ts'
import type { ObservedObject } from '../../requests/schemas.ts'
import type { BalancerSpec } from '../spec/balancer-spec.ts'
import { autoscalerObject, replicasOf } from './autoscaler.ts'
import { childMetadata, type Owner, selector } from './child-names.ts'
import { deploymentObject } from './pods.ts'
import { serviceObject } from './service.ts'

/**
 * The objects made for a WebSocketBalancer: six, or seven with an autoscaler, all of one name.
 *
 * @param observed the balancer's Deployment in the cluster, if it exists
 */
export function balancerObjects(owner: Owner, spec: BalancerSpec, rendering: Rendering, observed?: ObservedObject) {
  const metadata = childMetadata(owner, spec.target)
  const { name, namespace } = metadata
  const account: ServiceAccount = { apiVersion: 'v1', kind: 'ServiceAccount', metadata }
  const role: Role = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata,
    // Not restricted by name: names of EndpointSlices are generated, and a watch of a collection has no name.
    rules: [{ apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: ['list', 'watch'] }],
  }
  const binding: RoleBinding = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'RoleBinding',
    metadata,
    // Immutable, so it depends on the name only.
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace }],
  }
  const budget: PodDisruptionBudget = {
    apiVersion: 'policy/v1',
    kind: 'PodDisruptionBudget',
    metadata,
    spec: { maxUnavailable: 1, selector: { matchLabels: selector(name) } },
  }
  return [
    account,
    role,
    binding,
    deploymentObject(metadata, spec, replicasOf(spec, observed), rendering),
    serviceObject(metadata, spec),
    budget,
    ...(spec.autoscaling ? [autoscalerObject(metadata, spec.autoscaling)] : []),
  ]
}
