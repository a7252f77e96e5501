/** An unknown value as a map; empty if it is none. */
export const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** An unknown value as a list; empty if it is none. */
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** An unknown value as a whole number; 0 if it is none. */
export const count = (value: unknown): number => (Number.isInteger(value) ? (value as number) : 0)
