/** Text in which some parts are CEL expressions: what stands for one is replaced by its expression. */
export type Blanks = Readonly<Record<string, string>>

/** Fields of a container whose keys are data, not fields of a type. */
const MAPS = new Set(['limits', 'requests', 'matchLabels'])

/**
 * A value as a CEL expression that makes the same object.
 *
 * @param type CEL type of the object, for example `Object.spec`; those of its fields follow from it
 * @param blanks by text in the value, or by number: the expression that goes there
 */
export function celValue(value: unknown, type: string, blanks: Blanks = {}): string {
  if (Array.isArray(value)) return `[${value.map(item => celValue(item, type, blanks)).join(', ')}]`
  if (typeof value === 'object' && value !== null) {
    const isMap = MAPS.has(type.slice(type.lastIndexOf('.') + 1))
    const fields = Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => `${isMap ? celText(name) : name}: ${celValue(field, `${type}.${name}`, blanks)}`)
    return `${isMap ? '' : type}{${fields.join(', ')}}`
  }
  return typeof value === 'string' ? celTemplate(value, blanks) : String(value)
}

/** A string literal; CEL has the escapes of JSON. */
export const celText = (text: string): string => JSON.stringify(text)

/** Text with blanks as a concatenation. */
function celTemplate(text: string, blanks: Blanks): string {
  const names = Object.keys(blanks)
  if (names.length === 0) return celText(text)
  const parts = text.split(new RegExp(`(${names.join('|')})`)).filter(part => part !== '')
  return parts.length === 0 ? '""' : parts.map(part => blanks[part] ?? celText(part)).join(' + ')
}
