import { Type } from 'typebox'
import { rules } from './cel.ts'

const MAX_LABELS = 32

/** Name of an object, as a DNS subdomain (RFC 1123). */
const OBJECT_NAME = '^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$'

export const imagePullSecrets = Type.Array(
  Type.Object({
    name: Type.String({ minLength: 1, maxLength: 253, pattern: OBJECT_NAME, description: 'Name of the Secret.' }),
  }),
  {
    maxItems: 8,
    description: "Secrets of the same namespace for pulling the balancer's image, as in a pod.",
  },
)

export const podLabels = Type.Record(
  Type.String(),
  Type.String({ maxLength: 63, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$' }),
  {
    maxProperties: MAX_LABELS,
    description: "Additional labels of the balancer's pods, for a mesh, billing or a policy.",
    ...rules(
      [
        "self.all(key, !key.startsWith('ws.operator/') && !key.startsWith('app.kubernetes.io/'))",
        'labels of ws.operator and of app.kubernetes.io are set by ws-operator',
      ],
      [
        "self.all(key, key.matches('^([a-z0-9][-a-z0-9.]{0,252}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$'))",
        'podLabels must have names as labels have',
      ],
    ),
  },
)

export const priorityClassName = Type.String({
  minLength: 1,
  maxLength: 253,
  pattern: OBJECT_NAME,
  description: 'PriorityClass of the pods, so that a full node does not evict them first.',
})
