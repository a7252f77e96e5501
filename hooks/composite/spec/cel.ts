/** A rule of the CRD, in the Common Expression Language: the API server refuses an object for which it is not true. */
export interface Rule {
  readonly rule: string
  readonly message: string
}

/** The option of a schema that carries rules into the CRD: pairs of an expression and what to say where it is not true. */
export const rules = (...pairs: readonly (readonly [rule: string, message: string])[]) => ({
  'x-kubernetes-validations': pairs.map(([rule, message]): Rule => ({ rule, message })),
})
