/** Never ends, or takes minutes, in an engine that backtracks; each has one capture group. */
export const HOSTILE_EXPRESSIONS = [
  '((?:a?|b?){64}\\b)',
  '((?:a+)+$)',
  '^((?:a|a)*)$',
  '^((?:a|aa)+)$',
  '^((?:a|a?)+)$',
  '((?:.*a){12}$)',
  '^((?:[a-zA-Z]+)*)$',
  '^((?:\\w+\\s?)*)$',
  '(x+x+y)',
  `((?:a?){40}a{40}$)`,
]
