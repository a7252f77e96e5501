import { Type } from 'typebox'
import { rules } from './cel.ts'

const MAX_ENTRIES = 32

export const nodeSelector = Type.Record(
  Type.String(),
  Type.String({ maxLength: 63, pattern: '^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$' }),
  { maxProperties: MAX_ENTRIES, description: 'Labels of the nodes on which the pods may run.' },
)

const toleration = Type.Object(
  {
    key: Type.Optional(Type.String({ maxLength: 316, description: 'Key of the taint; all if absent.' })),
    operator: Type.Optional(Type.Enum(['Exists', 'Equal'], { description: 'Exists or Equal; Equal if absent.' })),
    value: Type.Optional(Type.String({ maxLength: 63, description: 'Value of the taint, with Equal.' })),
    effect: Type.Optional(
      Type.Enum(['NoSchedule', 'PreferNoSchedule', 'NoExecute'], {
        description: 'Effect of the taint; all if absent.',
      }),
    ),
    tolerationSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 86_400,
        description: 'How long a pod stays on a node after it gets the taint; for ever if absent. Only with NoExecute.',
      }),
    ),
  },
  rules(
    [
      "(has(self.operator) && self.operator == 'Exists') ? !has(self.value) : has(self.key)",
      'operator Exists goes without a value, and Equal with a key',
    ],
    [
      "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
      'tolerationSeconds needs effect NoExecute',
    ],
  ),
)

export const tolerations = Type.Array(toleration, {
  maxItems: MAX_ENTRIES,
  description: 'Taints of nodes that the pods tolerate.',
})
