import { createContext, runInContext } from 'node:vm'
import { Errors } from 'typebox/value'
import { quantity } from '../../../../hooks/annotations/quantity.ts'
import type { Rule } from '../../../../hooks/composite/spec/cel.ts'

interface Schema {
  readonly 'x-kubernetes-validations'?: readonly Rule[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
}

/** What our rules use of CEL, as JavaScript: `in` of a list, `all` of a map, and functions of the context. */
const translate = (rule: string): string =>
  rule
    .replace(/([\w.]+) in (\[[^\]]*\])/g, '$2.includes($1)')
    .replace(/(\w+)\.all\((\w+), /g, 'Object.keys($1).every($2 => ')

const context = createContext({
  has: (value: unknown) => value !== undefined,
  size: (list: readonly unknown[]) => list.length,
  string: String,
  amount: quantity,
})
runInContext(
  `String.prototype.matches = function (pattern) { return new RegExp(pattern).test(this) }
   const quantity = text => ({ value: amount(text), compareTo(other) { return Math.sign(this.value - other.value) } })`,
  context,
)

/** Messages of the CRD's rules that a value breaks, in the order of its fields. A rule that cannot be evaluated is broken, as in CEL. */
export function brokenRules(schema: object, self: unknown, oldSelf: unknown = self): string[] {
  const { 'x-kubernetes-validations': rules = [], properties = {}, items } = schema as Schema
  const own = rules.filter(({ rule }) => {
    Object.assign(context, { self, oldSelf })
    try {
      return runInContext(translate(rule), context) !== true
    } catch {
      return true
    }
  })
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const [value, old] = [self, oldSelf].map(from => (from as Record<string, unknown> | undefined)?.[name])
    return value === undefined ? [] : brokenRules(field, value, old)
  })
  const elements = items ? (self as unknown[]).flatMap(item => brokenRules(items, item)) : []
  return [...own.map(({ message }) => message), ...fields, ...elements]
}

/** All that is wrong with a value: paths that its schema refuses, else messages of broken rules. */
export function problems(schema: object, value: unknown): string[] {
  const paths = Errors(schema as never, value).map(({ instancePath }) => instancePath)
  return paths.length > 0 ? paths : brokenRules(schema, value)
}
