/**
 * The grammar of JSON (RFC 8259): `NEXT[(state << 8) | byte]` is the next state, or an action if more than the state is
 * needed. Values know whether they are in an object or an array, so only a closing bracket needs the stack.
 */

/** String states come first, because most bytes of most texts are in strings: a name, a member's value, an element. */
export const NAME = 0
export const MEMBER_STRING = 1
export const ELEMENT_STRING = 2
export const LAST_STRING = ELEMENT_STRING

/** Before and after the outermost object. */
export const ROOT = 3
export const NOTHING = 4
/** In an object: before a name, its colon, its value, and after the value. */
export const NAME_NEXT = 5
export const NAME_OR_END = 6
export const COLON = 7
export const MEMBER_VALUE = 8
export const AFTER_MEMBER = 9
/** The same after the name of a wanted field. */
export const FIELD_COLON = 10
export const FIELD_VALUE = 11
/** In an array. */
export const ELEMENT_VALUE = 12
export const ELEMENT_OR_END = 13
export const AFTER_ELEMENT = 14

/** The first unnamed state: inside escapes, numbers and literals. */
const UNNAMED = 15

/** Actions. `FAIL`: the text is not JSON. */
export const FIRST_ACTION = 240
export const OPEN_OBJECT = 240
export const OPEN_ARRAY = 241
export const CLOSE = 242
export const BEGIN_NAME = 243
export const BEGIN_FIELD_STRING = 244
export const BEGIN_FIELD_NUMBER = 245
/** The name being read may match a field; handled outside the table. */
export const MATCHING = 246
export const FAIL = 255

const DIGITS = '0123456789'
const HEX_DIGITS = `${DIGITS}abcdefABCDEF`
const SPACES = ' \t\n\r'
const LITERALS = ['true', 'false', 'null']

/** The character for each byte after a backslash, 0 if invalid (RFC 8259 §7); `u` is handled separately. */
export const ESCAPES = new Uint8Array(256)
for (const [letter, character] of ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'])
  ESCAPES[(letter as string).charCodeAt(0)] = (character as string).charCodeAt(0)

/** The value of a hexadecimal digit; 255 if the byte is none. */
export const HEX = new Uint8Array(256).fill(255)
for (const digit of HEX_DIGITS) HEX[digit.charCodeAt(0)] = Number.parseInt(digit, 16)

/** Bytes that leave the fast path through a string: its end, an escape, and control characters, which are invalid. */
export const SPECIAL = new Uint8Array(256).fill(1, 0, 0x20)
SPECIAL[0x22] = 1
SPECIAL[0x5c] = 1

/** The table under construction. */
const next = new Uint8Array(256 * 256).fill(FAIL)
let states = UNNAMED

const newState = () => states++

function on(state: number, bytes: string, to: number): void {
  for (const byte of bytes) next[(state << 8) | byte.charCodeAt(0)] = to
}

/** Adds the states of a string (RFC 8259 §7). */
function addString(state: number, after: number): void {
  next.fill(state, (state << 8) | 0x20, (state + 1) << 8)
  on(state, '"', after)
  const escaped = newState()
  on(state, '\\', escaped)
  for (const [byte, unit] of ESCAPES.entries()) if (unit !== 0) next[(escaped << 8) | byte] = state
  const hex = [newState(), newState(), newState(), newState()]
  on(escaped, 'u', hex[0] as number)
  for (const [n, place] of hex.entries()) on(place, HEX_DIGITS, hex[n + 1] ?? state)
}

/** Adds the states of a number (RFC 8259 §6). A complete number continues like any other finished value. */
function addNumber(begin: number, after: number): void {
  const [minus, point, exponent, sign] = [newState(), newState(), newState(), newState()]
  const [zero, integer, fraction, power] = [newState(), newState(), newState(), newState()]
  for (const whole of [zero, integer, fraction, power]) next.copyWithin(whole << 8, after << 8, (after + 1) << 8)
  for (const place of [begin, minus]) {
    on(place, DIGITS, integer)
    on(place, '0', zero)
  }
  on(begin, '-', minus)
  on(integer, DIGITS, integer)
  for (const place of [zero, integer]) on(place, '.', point)
  for (const place of [zero, integer, fraction]) on(place, 'eE', exponent)
  for (const place of [point, fraction]) on(place, DIGITS, fraction)
  on(exponent, '+-', sign)
  for (const place of [exponent, sign, power]) on(place, DIGITS, power)
}

/** Adds the states of a literal (RFC 8259 §3). */
function addLiteral(begin: number, text: string, after: number): void {
  let place = begin
  for (const [n, byte] of [...text].entries()) {
    const to = n === text.length - 1 ? after : newState()
    on(place, byte, to)
    place = to
  }
}

function addValue(begin: number, inString: number, after: number): void {
  on(begin, '{', OPEN_OBJECT)
  on(begin, '[', OPEN_ARRAY)
  on(begin, '"', inString)
  addNumber(begin, after)
  for (const text of LITERALS) addLiteral(begin, text, after)
}

/** Copies all transitions of a state except its spaces. */
function addSame(to: number, from: number): void {
  for (let byte = 0; byte < 256; byte++) {
    const there = next[(from << 8) | byte] as number
    if (there !== FAIL && there !== from) next[(to << 8) | byte] = there
  }
}

for (let state = ROOT; state < UNNAMED; state++) on(state, SPACES, state)
on(ROOT, '{', OPEN_OBJECT)
for (const place of [NAME_NEXT, NAME_OR_END]) on(place, '"', BEGIN_NAME)
for (const place of [NAME_OR_END, AFTER_MEMBER]) on(place, '}', CLOSE)
for (const place of [ELEMENT_OR_END, AFTER_ELEMENT]) on(place, ']', CLOSE)
on(AFTER_MEMBER, ',', NAME_NEXT)
on(AFTER_ELEMENT, ',', ELEMENT_VALUE)
on(COLON, ':', MEMBER_VALUE)
on(FIELD_COLON, ':', FIELD_VALUE)
addString(NAME, COLON)
addString(MEMBER_STRING, AFTER_MEMBER)
addString(ELEMENT_STRING, AFTER_ELEMENT)
addValue(MEMBER_VALUE, MEMBER_STRING, AFTER_MEMBER)
addValue(ELEMENT_VALUE, ELEMENT_STRING, AFTER_ELEMENT)
addSame(ELEMENT_OR_END, ELEMENT_VALUE)
addSame(FIELD_VALUE, MEMBER_VALUE)
on(FIELD_VALUE, '"', BEGIN_FIELD_STRING)
on(FIELD_VALUE, `-${DIGITS}`, BEGIN_FIELD_NUMBER)

export const NEXT: Uint8Array = next
