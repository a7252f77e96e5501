/** A value that may be anything, as a map: an empty one where it is none. */
export const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** A value that may be anything, as a list: an empty one where it is none. */
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])

/** A value that may be anything, as a whole number: 0 where it is none. */
export const count = (value: unknown): number => (Number.isInteger(value) ? (value as number) : 0)
