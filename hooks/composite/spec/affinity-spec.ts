import { type TProperties, Type } from 'typebox'
import { rules } from './cel.ts'

const MAX_TERMS = 8
const MAX_EXPRESSIONS = 8
const MAX_VALUES = 32

const LABEL_VALUE = '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$'

const LABEL_KEY = '^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'

const key = (description: string) => Type.String({ minLength: 1, maxLength: 316, pattern: LABEL_KEY, description })

const value = Type.String({ maxLength: 63, pattern: LABEL_VALUE })

const NEEDS_VALUES = ['In', 'NotIn'] as const
const NEEDS_NONE = ['Exists', 'DoesNotExist'] as const
const NEEDS_NUMBER = ['Gt', 'Lt'] as const

/** Requirements on labels, each with an operator of a list. */
const expressions = (whose: string, operators: readonly string[]) =>
  Type.Array(
    Type.Object(
      {
        key: key('Key of the label.'),
        operator: Type.Enum([...operators], { description: `${operators.join(', ')}.` }),
        values: Type.Optional(
          Type.Array(value, {
            maxItems: MAX_VALUES,
            description: 'Values of the label, if the operator uses any.',
          }),
        ),
      },
      rules(
        [
          `self.operator in ['${NEEDS_NONE.join("', '")}'] ? !has(self.values) || size(self.values) == 0 : has(self.values) && size(self.values) > 0`,
          `operators ${NEEDS_VALUES.join(' and ')} go with values, ${NEEDS_NONE.join(' and ')} without`,
        ],
        [
          `!(self.operator in ['${NEEDS_NUMBER.join("', '")}']) || (has(self.values) && size(self.values) == 1 && self.values[0].matches('^[0-9]{1,18}$'))`,
          `operators ${NEEDS_NUMBER.join(' and ')} go with one number`,
        ],
      ),
    ),
    { maxItems: MAX_EXPRESSIONS, description: `Requirements on the labels of ${whose}.` },
  )

const nodeTerm = (description: string) =>
  Type.Object(
    { matchExpressions: expressions('a node', [...NEEDS_VALUES, ...NEEDS_NONE, ...NEEDS_NUMBER]) },
    { description },
  )

const podTerm = (description: string) =>
  Type.Object(
    {
      topologyKey: key('Label of nodes whose value defines one place, such as kubernetes.io/hostname.'),
      labelSelector: Type.Object(
        {
          matchLabels: Type.Optional(
            Type.Record(Type.String(), value, { maxProperties: 32, description: 'Labels of the pods.' }),
          ),
          matchExpressions: Type.Optional(expressions('a pod', [...NEEDS_VALUES, ...NEEDS_NONE])),
        },
        { description: 'Pods to consider, in the namespace of the balancer.' },
      ),
    },
    { description },
  )

const weight = Type.Integer({ minimum: 1, maximum: 100, description: 'Weight of this term.' })

const list = <P extends TProperties>(items: ReturnType<typeof Type.Object<P>>, description: string) =>
  Type.Optional(Type.Array(items, { maxItems: MAX_TERMS, description }))

const podRules = (near: string) =>
  Type.Optional(
    Type.Object(
      {
        requiredDuringSchedulingIgnoredDuringExecution: list(podTerm('One kind of pods.'), 'Mandatory terms.'),
        preferredDuringSchedulingIgnoredDuringExecution: list(
          Type.Object({ weight, podAffinityTerm: podTerm('One kind of pods.') }),
          'Preferred terms.',
        ),
      },
      { description: `Pods that the balancer's pods should be ${near}.` },
    ),
  )

/** As in a pod, without selection by fields, namespaces or label keys. */
export const affinity = Type.Object(
  {
    nodeAffinity: Type.Optional(
      Type.Object(
        {
          requiredDuringSchedulingIgnoredDuringExecution: Type.Optional(
            Type.Object(
              {
                nodeSelectorTerms: Type.Array(nodeTerm('One kind of nodes.'), {
                  minItems: 1,
                  maxItems: MAX_TERMS,
                  description: 'Alternative kinds of nodes; one must match.',
                }),
              },
              { description: 'Mandatory terms.' },
            ),
          ),
          preferredDuringSchedulingIgnoredDuringExecution: list(
            Type.Object({ weight, preference: nodeTerm('One kind of nodes.') }),
            'Preferred terms.',
          ),
        },
        { description: 'Nodes on which the pods should run.' },
      ),
    ),
    podAffinity: podRules('near'),
    podAntiAffinity: podRules('apart from'),
  },
  {
    description:
      'Where the pods run, in addition to nodeSelector. The pods are spread over zones and nodes in any case.',
  },
)
