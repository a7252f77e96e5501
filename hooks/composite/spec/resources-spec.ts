import { Type } from 'typebox'
import { rules } from './cel.ts'

/** Default resources of a balancer pod; no CPU limit. */
export const DEFAULT_RESOURCES = { requests: { cpu: '50m', memory: '192Mi' }, limits: { memory: '512Mi' } } as const

const CPU_PATTERN = '^(0\\.[0-9]{1,3}|[1-9][0-9]{0,5}(m|\\.[0-9]{1,3})?)$'

/** As Kubernetes writes quantities of CPU: a number of cores, or text. */
const cpu = (description: string) =>
  Type.Optional(
    Type.Unsafe<string | number>({
      'x-kubernetes-int-or-string': true,
      anyOf: [{ type: 'integer' }, { type: 'string' }],
      pattern: CPU_PATTERN,
      minimum: 1,
      maximum: 999_999,
      maxLength: 10,
      description,
    }),
  )

const memory = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[1-9][0-9]{0,8}(Ki|Mi|Gi)$', maxLength: 11, description }))

/** @param text an expression for the quantity as text; CPU may be a number */
const notAbove = (resource: 'cpu' | 'memory', text: (field: string) => string) => {
  const [request, limit] = [`self.requests.${resource}`, `self.limits.${resource}`] as const
  return [
    `!has(self.requests) || !has(${request}) || !has(self.limits) || !has(${limit}) || quantity(${text(request)}).compareTo(quantity(${text(limit)})) <= 0`,
    `requests.${resource} must not be above limits.${resource}`,
  ] as const
}

export const resources = Type.Object(
  {
    requests: Type.Optional(
      Type.Object(
        {
          cpu: cpu(`CPU, such as 250m or 1; ${DEFAULT_RESOURCES.requests.cpu} if absent.`),
          memory: memory(`Memory in Ki, Mi or Gi; ${DEFAULT_RESOURCES.requests.memory} if absent.`),
        },
        { description: 'Resources reserved for each pod.' },
      ),
    ),
    limits: Type.Optional(
      Type.Object(
        {
          cpu: cpu('CPU, such as 2; no limit if absent. A balancer runs one process for each usable core.'),
          memory: memory(`Memory in Ki, Mi or Gi; ${DEFAULT_RESOURCES.limits.memory} if absent.`),
        },
        { description: 'Maximum resources of each pod.' },
      ),
    ),
  },
  {
    description: 'Resources of a balancer pod.',
    ...rules(
      notAbove('cpu', field => `string(${field})`),
      notAbove('memory', field => field),
    ),
  },
)
