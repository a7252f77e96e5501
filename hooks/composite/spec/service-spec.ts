import { Type } from 'typebox'
import { rules } from './cel.ts'

/** Default port of a balancer's Service. */
export const DEFAULT_SERVICE_PORT = 80

export const service = Type.Object(
  {
    type: Type.Optional(
      Type.Enum(['ClusterIP', 'LoadBalancer', 'NodePort'], {
        description:
          'ClusterIP (reached from inside the cluster, or by an Ingress or Gateway), LoadBalancer or NodePort; ClusterIP if absent.',
      }),
    ),
    port: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 65_535,
        description: `Port for clients; ${DEFAULT_SERVICE_PORT} if absent.`,
      }),
    ),
    annotations: Type.Optional(
      Type.Record(Type.String(), Type.String({ maxLength: 4096 }), {
        maxProperties: 32,
        description: 'Annotations of the Service, for load balancers.',
      }),
    ),
    externalTrafficPolicy: Type.Optional(
      Type.Enum(['Cluster', 'Local'], {
        description:
          "Local keeps the client's address and uses only pods on the receiving node; Cluster if absent. Only with LoadBalancer or NodePort.",
      }),
    ),
  },
  {
    description: 'How clients reach the balancer.',
    ...rules([
      "!has(self.externalTrafficPolicy) || (has(self.type) && self.type != 'ClusterIP')",
      'externalTrafficPolicy needs type LoadBalancer or NodePort',
    ]),
  },
)
