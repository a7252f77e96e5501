import { Type } from 'typebox'
import { DEFAULTS } from '../../annotations/annotations.ts'
import { rules } from './cel.ts'

/** Share of the CPU request that an autoscaler aims at, in per cent, unless the spec says another. */
export const DEFAULT_TARGET_CPU = 70

/** Most pods that a balancer may have. */
const MAX_REPLICAS = 100

export const replicas = Type.Integer({
  minimum: 0,
  maximum: MAX_REPLICAS,
  // Without a value there is nothing that `kubectl scale` could read.
  default: DEFAULTS['balancer-replicas'],
  description: `Pods of the balancer; ${DEFAULTS['balancer-replicas']} if absent. Not together with autoscaling.`,
})

export const autoscaling = Type.Object(
  {
    minReplicas: Type.Integer({ minimum: 1, maximum: MAX_REPLICAS, description: 'Fewest pods.' }),
    maxReplicas: Type.Integer({ minimum: 1, maximum: MAX_REPLICAS, description: 'Most pods.' }),
    targetCPUUtilizationPercentage: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: `CPU that the pods shall use on average, in per cent of resources.requests.cpu; ${DEFAULT_TARGET_CPU} if absent. Needs the metrics server.`,
      }),
    ),
    targetConnectionsPerPod: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description:
          'Connections that a pod shall have on average, beside the CPU: whichever asks for more pods counts. Needs an adapter that serves ws_operator_connections of the pods as a custom metric.',
      }),
    ),
  },
  {
    description: 'Makes a HorizontalPodAutoscaler, which then says how many pods there are.',
    ...rules(['self.minReplicas <= self.maxReplicas', 'minReplicas must not be above maxReplicas']),
  },
)
