const FACTORS: Readonly<Record<string, number>> = {
  '': 1,
  n: 1e-9,
  u: 1e-6,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  E: 1e18,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
  Ei: 2 ** 60,
}

/**
 * A Kubernetes quantity (`500m`, `0.5`, `1e3`, `64Mi`) in thousandths of a core or byte, rounded up as Kubernetes does, so that sums
 * are exact. `undefined` for any other value.
 */
export function quantity(value: unknown): number | undefined {
  const [, digits, exponent, unit = ''] =
    /^([+-]?\d+(?:\.\d*)?|\.\d+)(e[+-]?\d{1,3})?([a-zA-Z]{0,2})$/i.exec(String(value)) ?? []
  const factor = exponent && unit ? undefined : FACTORS[unit]
  if (digits === undefined || factor === undefined) return undefined
  // Floating-point errors below a millionth must not round up.
  return Math.ceil(Number((Number(`${digits}${exponent ?? ''}`) * factor * 1000).toFixed(6)))
}
