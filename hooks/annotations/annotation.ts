import { balancerSchema } from '../../lib/settings/balancer-settings.ts'
import { sidecarSchema } from '../../lib/settings/sidecar-settings.ts'
import { integer, oneOf, type Parse } from '../annotations/values.ts'
import { BALANCER_FIELDS, type BalancerField } from '../composite/variables/balancer-fields.ts'
import { variableSchema } from '../composite/variables/variable-schema.ts'

/** A variable of the sidecar, without its prefix. */
export type SidecarVariable = keyof typeof sidecarSchema.properties

/** Path of a field of a WebSocketBalancer's spec that an annotation sets. */
export type AnnotatedField = BalancerField | 'backend.service' | 'replicas'

/** Where the value of an annotation goes. */
export interface Destination {
  /** Variable of the sidecar that gets the value. */
  readonly sidecar?: SidecarVariable
  /** Field of the WebSocketBalancer that gets the value. */
  readonly field?: AnnotatedField
  /** Variables of the sidecar that follow from the value in another way. */
  readonly decides?: readonly SidecarVariable[]
}

/** An annotation for users: its values, default, meaning and destination. */
export interface Annotation<T> extends Destination {
  readonly values: string
  readonly fallback: string
  readonly description: string
  readonly parse: Parse<T>
}

/** An annotation with a few words to choose from. */
export function choice<const T extends string, const D extends Destination = Record<never, never>>(
  values: readonly T[],
  fallback: T,
  description: string,
  to?: D,
): Annotation<T> & NoInfer<D> {
  return { values: values.join(' | '), fallback, description, parse: oneOf(values), ...(to as D) }
}

/** Destinations of which at least one is a variable of a program. */
type Tuned = Destination & ({ readonly sidecar: SidecarVariable } | { readonly field: BalancerField })

/**
 * An annotation for a variable, with the bounds, default and text of the program (of the sidecar where it sets both).
 *
 * @param description replaces the program's text where owners of Deployments need another one
 */
export function tuning<const D extends Tuned>(to: D, description?: string): Annotation<number | string> & D {
  const setting =
    to.sidecar === undefined
      ? variableSchema(balancerSchema, BALANCER_FIELDS[to.field as BalancerField])
      : variableSchema(sidecarSchema, to.sidecar)
  const { minimum = 0, maximum = 0 } = setting
  return {
    values: setting.enum ? setting.enum.join(' | ') : `${minimum}–${maximum}`,
    fallback: String(setting.default),
    description: description ?? setting.description,
    parse: setting.enum ? oneOf(setting.enum) : integer(minimum, maximum),
    ...to,
  }
}
