import type { HorizontalPodAutoscaler, MetricSpec } from 'kubernetes-types/autoscaling/v2.d.ts'
import { METRIC_PREFIX } from '../../../lib/service/names.ts'
import { DEFAULTS } from '../../annotations/annotations.ts'
import { ownsAlone } from '../../apply/managed-fields.ts'
import type { ObservedObject } from '../../requests/schemas.ts'
import { count, record } from '../../requests/untyped.ts'
import type { BalancerSpec } from '../spec/balancer-spec.ts'
import { DEFAULT_TARGET_CPU } from '../spec/scale-spec.ts'
import { type ChildMetadata, CONTAINER } from './child-names.ts'

/** How long the autoscaler must want fewer pods before one ends, and then until the next: each closes its clients. */
const CALM_SECONDS = 300
const STEP_SECONDS = 60

type Autoscaling = NonNullable<BalancerSpec['autoscaling']>

/** The autoscaler of the balancer's Deployment. */
export function autoscalerObject(metadata: ChildMetadata, autoscaling: Autoscaling): HorizontalPodAutoscaler {
  const { minReplicas, maxReplicas } = autoscaling
  return {
    apiVersion: 'autoscaling/v2',
    kind: 'HorizontalPodAutoscaler',
    metadata,
    spec: {
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: metadata.name },
      minReplicas,
      maxReplicas,
      metrics: metricsOf(autoscaling),
      behavior: {
        scaleDown: {
          stabilizationWindowSeconds: CALM_SECONDS,
          policies: [{ type: 'Pods', value: 1, periodSeconds: STEP_SECONDS }],
        },
      },
    },
  }
}

function metricsOf({ targetCPUUtilizationPercentage, targetConnectionsPerPod }: Autoscaling): MetricSpec[] {
  const averageUtilization = targetCPUUtilizationPercentage ?? DEFAULT_TARGET_CPU
  // Of our container only: a container injected by a mesh may have no request, and a pod without one has no utilization.
  const cpu: MetricSpec = {
    type: 'ContainerResource',
    containerResource: { container: CONTAINER, name: 'cpu', target: { type: 'Utilization', averageUtilization } },
  }
  if (targetConnectionsPerPod === undefined) return [cpu]
  const target = { type: 'AverageValue', averageValue: quantity(targetConnectionsPerPod) }
  return [cpu, { type: 'Pods', pods: { metric: { name: `${METRIC_PREFIX}connections` }, target } }]
}

/** A whole number as the API server writes a quantity, so that applying it again changes nothing. */
function quantity(value: number): string {
  if (value % 1_000_000 === 0) return `${value / 1_000_000}M`
  return value % 1000 === 0 ? `${value / 1000}k` : String(value)
}

/**
 * `replicas` of the balancer's Deployment; `undefined` leaves the field to its present owner, which with autoscaling is the autoscaler.
 * While we are its only owner it is repeated: dropping it would reset it to 1.
 *
 * @param observed the balancer's Deployment in the cluster, if it exists
 */
export function replicasOf(
  { autoscaling, replicas }: BalancerSpec,
  observed: ObservedObject | undefined,
): number | undefined {
  if (!autoscaling) return replicas ?? DEFAULTS['balancer-replicas']
  if (!observed) return autoscaling.minReplicas
  const owner = observed.metadata.ownerReferences?.find(({ controller }) => controller === true)
  if (!owner || !ownsAlone(observed, owner.uid, 'f:spec', 'f:replicas')) return undefined
  // An autoscaler ignores a Deployment with 0 replicas.
  return count(record((observed as { spec?: unknown }).spec)['replicas']) || autoscaling.minReplicas
}
