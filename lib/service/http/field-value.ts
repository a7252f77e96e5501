const isBlank = (character: string | undefined): boolean => character === ' ' || character === '\t'

/**
 * Removes only space and tab around a field value (RFC 9110 §5.6.3). With one character per byte, other blanks such as
 * U+00A0 are bytes of UTF-8 characters, which `trim` would cut off.
 */
export function trimBlanks(value: string): string {
  let [start, end] = [0, value.length]
  while (isBlank(value[start])) start++
  while (end > start && isBlank(value[end - 1])) end--
  return value.slice(start, end)
}
