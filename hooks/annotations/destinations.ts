import { balancerSchema } from '../../lib/settings/balancer-settings.ts'
import type { BalancerSpec } from '../composite/spec/balancer-spec.ts'
import { BALANCER_FIELDS, setField } from '../composite/variables/balancer-fields.ts'
import { variableSchema } from '../composite/variables/variable-schema.ts'
import { literal } from '../sidecar/container-defaults.ts'
import type { AnnotatedField, Annotation, SidecarVariable } from './annotation.ts'
import { ANNOTATIONS, type AnnotationName, type Settings } from './annotations.ts'

const DECLARED: readonly (readonly [AnnotationName, Annotation<unknown>])[] = Object.entries(ANNOTATIONS) as [
  AnnotationName,
  Annotation<unknown>,
][]

/** Fields in the order in which a WebSocketBalancer is written. */
const FIELDS = ['backend.service', 'replicas', ...Object.keys(BALANCER_FIELDS)] as readonly AnnotatedField[]

/** Fields that are true or false; an annotation is text. */
const BOOLEANS: ReadonlySet<string> = new Set(
  Object.entries(BALANCER_FIELDS)
    .filter(([, variable]) => variableSchema(balancerSchema, variable).type === 'boolean')
    .map(([path]) => path),
)

/** Variables of the sidecar that no annotation sets: the hooks write them, or only the environment outside of a cluster does. */
export const OTHER_SIDECAR_VARIABLES = {
  HOST: 'environment',
  ADMIN_HOST: 'environment',
  INSTANCE: 'hooks',
  SHUTDOWN_SECONDS: 'hooks',
  APP_HOST: 'environment',
  MEMBERS: 'environment',
  MEMBERS_FILE: 'environment',
  TARGET: 'hooks',
  TOKEN: 'hooks',
  TOKEN_REQUIRED: 'hooks',
} as const satisfies Record<Exclude<SidecarVariable, Reached>, 'hooks' | 'environment'>

/** Variables that some annotation sets or decides; a new variable is one of these or named above, or it does not compile. */
type Reached = { [N in AnnotationName]: Of<(typeof ANNOTATIONS)[N]> }[AnnotationName]
type Of<A> =
  | (A extends { readonly sidecar: infer V extends SidecarVariable } ? V : never)
  | (A extends { readonly decides: readonly (infer V extends SidecarVariable)[] } ? V : never)

/** The sidecar's variables that annotations set, escaped for the kubelet; all others keep the sidecar's default. */
export function annotatedVariables(settings: Settings): Partial<Record<SidecarVariable, string | number>> {
  const values: Partial<Record<SidecarVariable, string | number>> = {}
  for (const [name, { sidecar }] of DECLARED) {
    const value = settings[name]
    if (sidecar !== undefined && value !== undefined) {
      values[sidecar] = typeof value === 'string' ? literal(value) : value
    }
  }
  return values
}

/** Fields of the WebSocketBalancer that annotations set. */
export function annotatedFields(settings: Settings): Partial<BalancerSpec> {
  const spec: Record<string, unknown> = {}
  for (const path of FIELDS) {
    const [name] = DECLARED.find(([, { field }]) => field === path) ?? []
    const value = name && settings[name]
    if (value !== undefined) setField(spec, path, BOOLEANS.has(path) ? value === 'true' : value)
  }
  return spec
}
