import { Type } from 'typebox'
import { DEFAULTS } from '../../annotations/annotations.ts'
import { rules } from './cel.ts'

/** Default CPU target of the autoscaler, in percent of the CPU request. */
export const DEFAULT_TARGET_CPU = 70

/** Most pods that a balancer may have. */
const MAX_REPLICAS = 100

export const replicas = Type.Integer({
  minimum: 0,
  maximum: MAX_REPLICAS,
  // `kubectl scale` fails without a value.
  default: DEFAULTS['balancer-replicas'],
  description: `Number of balancer pods; ${DEFAULTS['balancer-replicas']} if absent. Not together with autoscaling.`,
})

export const autoscaling = Type.Object(
  {
    minReplicas: Type.Integer({ minimum: 1, maximum: MAX_REPLICAS, description: 'Minimum number of pods.' }),
    maxReplicas: Type.Integer({ minimum: 1, maximum: MAX_REPLICAS, description: 'Maximum number of pods.' }),
    targetCPUUtilizationPercentage: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1000,
        description: `Target for the pods' average CPU use, in per cent of resources.requests.cpu; ${DEFAULT_TARGET_CPU} if absent. Needs the metrics server.`,
      }),
    ),
    targetConnectionsPerPod: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description:
          "Target for the pods' average number of connections, in addition to the CPU target; the one that needs more pods applies. Needs an adapter that serves ws_operator_connections of the pods as a custom metric.",
      }),
    ),
  },
  {
    description: 'Creates a HorizontalPodAutoscaler, which then sets the number of pods.',
    ...rules(['self.minReplicas <= self.maxReplicas', 'minReplicas must not be above maxReplicas']),
  },
)
