/** A rule of the CRD in the Common Expression Language (CEL): the API server refuses objects that break it. */
export interface Rule {
  readonly rule: string
  readonly message: string
}

/** Schema option that adds rules to the CRD: pairs of an expression and the message for objects that break it. */
export const rules = (...pairs: readonly (readonly [rule: string, message: string])[]) => ({
  'x-kubernetes-validations': pairs.map(([rule, message]): Rule => ({ rule, message })),
})
