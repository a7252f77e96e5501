import { type TInteger, type TObject, type TOptional, Type } from 'typebox'
import { balancerSchema } from '../../../lib/settings/balancer-settings.ts'

/** A setting of a program, as its schema declares it. */
export interface VariableSchema {
  readonly type?: string
  readonly enum?: readonly string[]
  readonly minimum?: number
  readonly maximum?: number
  readonly default?: string | number | boolean
  readonly description: string
}

/** A variable of the balancer, without its prefix. */
export type BalancerVariable = keyof typeof balancerSchema.properties

/** The declaration of a variable in a program's schema. @throws {Error} if the program has no such variable */
export function variableSchema(schema: TObject, variable: string): VariableSchema {
  const found = schema.properties[variable] as VariableSchema | undefined
  if (!found) throw new Error(`no program has a variable ${variable}`)
  return found
}

/** Description of a field that sets a variable. The default is in the text only: the API server would write a default of the CRD into every object. */
export function fieldDescription(variable: BalancerVariable): string {
  const { description, default: fallback } = variableSchema(balancerSchema, variable)
  return `${description.replace(/\.$/, '')}; ${fallback} if absent.`
}

/** Optional integer fields, each with the type, bounds and text of the variable that it sets. */
export function integerFields<const M extends Readonly<Record<string, BalancerVariable>>>(
  fields: M,
): { [K in keyof M]: TOptional<TInteger> } {
  return Object.fromEntries(
    Object.entries(fields).map(([name, variable]) => {
      const { minimum, maximum } = variableSchema(balancerSchema, variable)
      const description = fieldDescription(variable)
      return [name, Type.Optional(Type.Integer({ minimum: minimum!, maximum: maximum!, description }))]
    }),
  ) as { [K in keyof M]: TOptional<TInteger> }
}
