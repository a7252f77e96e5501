import { stringify } from 'yaml'
import { balancerSpec } from '../../hooks/composite/spec/balancer-spec.ts'
import { API_GROUP, API_VERSION, BALANCER_KIND, OPERATOR } from '../../lib/service/names.ts'

const PLURAL = 'websocketbalancers'

const text = (maxLength: number, description: string) => ({ type: 'string', maxLength, description })

const pods = (description: string) => ({ type: 'integer', format: 'int32', description })

/** What the hooks report; Metacontroller adds `observedGeneration`. */
const status = {
  type: 'object',
  description: 'Current state of the balancer.',
  properties: {
    observedGeneration: {
      type: 'integer',
      format: 'int64',
      description: 'Generation of the object that this status is about.',
    },
    pods: text(32, 'Ready and desired pods, such as 2/3.'),
    replicas: pods('Current pods, without terminating ones.'),
    readyReplicas: pods('Pods that serve clients.'),
    members: pods('Ready sidecars behind the balancer.'),
    address: text(
      320,
      'Address for clients, host:port: the load balancer if the Service is of that type, otherwise the name of the Service in the cluster. Absent while there is none.',
    ),
    conditions: {
      type: 'array',
      maxItems: 8,
      description:
        'Ready (clients are served), Progressing (pods are being created or replaced), Degraded (action is needed).',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['type'],
      items: {
        type: 'object',
        required: ['type', 'status'],
        properties: {
          type: text(316, 'Ready, Progressing or Degraded.'),
          status: { type: 'string', enum: ['True', 'False', 'Unknown'], description: 'Whether the condition holds.' },
          reason: text(1024, 'Reason, in one word.'),
          message: text(32_768, 'Reason, and what to do.'),
          lastTransitionTime: { type: 'string', format: 'date-time', description: 'When status last changed.' },
        },
      },
    },
  },
}

/** The CustomResourceDefinition of WebSocketBalancer, its spec from the schema that the hooks check with. */
export function crd(): object {
  const version = API_VERSION.slice(API_GROUP.length + 1)
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${PLURAL}.${API_GROUP}`, labels: { 'app.kubernetes.io/part-of': OPERATOR } },
    spec: {
      group: API_GROUP,
      scope: 'Namespaced',
      names: {
        kind: BALANCER_KIND,
        listKind: `${BALANCER_KIND}List`,
        plural: PLURAL,
        singular: 'websocketbalancer',
        shortNames: ['wsb'],
        categories: ['all'],
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          subresources: {
            status: {},
            scale: { specReplicasPath: '.spec.replicas', statusReplicasPath: '.status.replicas' },
          },
          additionalPrinterColumns: [
            { name: 'Target', type: 'string', jsonPath: '.spec.target' },
            { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
            { name: 'Reason', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].reason' },
            { name: 'Pods', type: 'string', jsonPath: '.status.pods' },
            { name: 'Members', type: 'integer', jsonPath: '.status.members' },
            { name: 'Address', type: 'string', jsonPath: '.status.address' },
            { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
          ],
          schema: {
            openAPIV3Schema: {
              type: 'object',
              description: 'A load balancer that routes each user to the pod that owns the user.',
              required: ['spec'],
              properties: {
                apiVersion: { type: 'string', description: 'Version of this schema.' },
                kind: { type: 'string', description: 'Kind of the object.' },
                metadata: { type: 'object' },
                spec: structural(JSON.parse(JSON.stringify(balancerSpec))),
                status,
              },
            },
          },
        },
      ],
    },
  }
}

type Schema = Record<string, unknown>

/** A structural schema names the type of everything, also where an enum says it all, and a map by what its values are. */
function structural({ properties, patternProperties, items, ...schema }: Schema): Schema {
  const [values] = Object.values((patternProperties ?? {}) as Record<string, Schema>)
  return {
    ...('enum' in schema && { type: 'string' }),
    ...schema,
    ...(values !== undefined && { additionalProperties: structural(values) }),
    ...(items !== undefined && { items: structural(items as Schema) }),
    ...(properties !== undefined && {
      properties: Object.fromEntries(
        Object.entries(properties as Record<string, Schema>).map(([name, child]) => [name, structural(child)]),
      ),
    }),
  }
}

/** Read the same by kubectl, for which a plain `off` is `false` as in YAML 1.1. */
export const crdYaml = (): string =>
  `# Generated by \`npm run docs\` from hooks/composite/spec/balancer-spec.ts.\n${stringify(crd(), { lineWidth: 120, compat: 'yaml-1.1' })}`
