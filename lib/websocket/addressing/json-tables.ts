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
const CONTROLS = Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code))
const LITERALS = ['true', 'false', 'null']

/** The character for each byte after a backslash, 0 if invalid (RFC 8259 §7); `u` is handled separately. */
export const ESCAPES = byteTable(0, ['""', '\\\\', '//', 'b\b', 'f\f', 'n\n', 'r\r', 't\t'], ([, to = '']) =>
  to.charCodeAt(0),
)

/** The value of a hexadecimal digit; 255 if the byte is none. */
export const HEX = byteTable(255, [...HEX_DIGITS], digit => Number.parseInt(digit, 16))

/** Bytes that leave the fast path through a string: its end, an escape, and control characters, which are invalid. */
export const SPECIAL = byteTable(0, ['"', '\\', ...CONTROLS], () => 1)

/** A value for each byte: that of the entry that begins with it, else `fallback`. */
function byteTable(fallback: number, entries: readonly string[], toValue: (entry: string) => number): Uint8Array {
  const table = new Uint8Array(256).fill(fallback)
  for (const entry of entries) table[entry.charCodeAt(0)] = toValue(entry)
  return table
}

/** Builds the table from the grammar's rules. */
class TableBuilder {
  readonly table = new Uint8Array(256 * 256).fill(FAIL)
  #states = UNNAMED

  #newState(): number {
    return this.#states++
  }

  on(state: number, bytes: string, to: number): void {
    for (const byte of bytes) this.table[(state << 8) | byte.charCodeAt(0)] = to
  }

  /** Adds the states of a string (RFC 8259 §7). */
  addString(state: number, after: number): void {
    this.table.fill(state, (state << 8) | 0x20, (state + 1) << 8)
    this.on(state, '"', after)
    const escaped = this.#newState()
    this.on(state, '\\', escaped)
    for (const [byte, unit] of ESCAPES.entries()) if (unit !== 0) this.table[(escaped << 8) | byte] = state
    const hex = [this.#newState(), this.#newState(), this.#newState(), this.#newState()]
    this.on(escaped, 'u', hex[0] as number)
    for (const [n, place] of hex.entries()) this.on(place, HEX_DIGITS, hex[n + 1] ?? state)
  }

  /** Adds the states of a number (RFC 8259 §6). A complete number continues like any other finished value. */
  #addNumber(begin: number, after: number): void {
    const [minus, point, exponent, sign] = [this.#newState(), this.#newState(), this.#newState(), this.#newState()]
    const [zero, integer, fraction, power] = [this.#newState(), this.#newState(), this.#newState(), this.#newState()]
    for (const whole of [zero, integer, fraction, power])
      this.table.copyWithin(whole << 8, after << 8, (after + 1) << 8)
    for (const place of [begin, minus]) {
      this.on(place, DIGITS, integer)
      this.on(place, '0', zero)
    }
    this.on(begin, '-', minus)
    this.on(integer, DIGITS, integer)
    for (const place of [zero, integer]) this.on(place, '.', point)
    for (const place of [zero, integer, fraction]) this.on(place, 'eE', exponent)
    for (const place of [point, fraction]) this.on(place, DIGITS, fraction)
    this.on(exponent, '+-', sign)
    for (const place of [exponent, sign, power]) this.on(place, DIGITS, power)
  }

  /** Adds the states of a literal (RFC 8259 §3). */
  #addLiteral(begin: number, text: string, after: number): void {
    let place = begin
    for (const [n, byte] of [...text].entries()) {
      const to = n === text.length - 1 ? after : this.#newState()
      this.on(place, byte, to)
      place = to
    }
  }

  addValue(begin: number, inString: number, after: number): void {
    this.on(begin, '{', OPEN_OBJECT)
    this.on(begin, '[', OPEN_ARRAY)
    this.on(begin, '"', inString)
    this.#addNumber(begin, after)
    for (const text of LITERALS) this.#addLiteral(begin, text, after)
  }

  /** Copies all transitions of a state except its spaces. */
  addSame(to: number, from: number): void {
    for (let byte = 0; byte < 256; byte++) {
      const there = this.table[(from << 8) | byte] as number
      if (there !== FAIL && there !== from) this.table[(to << 8) | byte] = there
    }
  }
}

/** The rules of RFC 8259, §2 to §7. */
function buildTable(): Uint8Array {
  const rules = new TableBuilder()
  for (let state = ROOT; state < UNNAMED; state++) rules.on(state, SPACES, state)
  rules.on(ROOT, '{', OPEN_OBJECT)
  for (const place of [NAME_NEXT, NAME_OR_END]) rules.on(place, '"', BEGIN_NAME)
  for (const place of [NAME_OR_END, AFTER_MEMBER]) rules.on(place, '}', CLOSE)
  for (const place of [ELEMENT_OR_END, AFTER_ELEMENT]) rules.on(place, ']', CLOSE)
  rules.on(AFTER_MEMBER, ',', NAME_NEXT)
  rules.on(AFTER_ELEMENT, ',', ELEMENT_VALUE)
  rules.on(COLON, ':', MEMBER_VALUE)
  rules.on(FIELD_COLON, ':', FIELD_VALUE)
  rules.addString(NAME, COLON)
  rules.addString(MEMBER_STRING, AFTER_MEMBER)
  rules.addString(ELEMENT_STRING, AFTER_ELEMENT)
  rules.addValue(MEMBER_VALUE, MEMBER_STRING, AFTER_MEMBER)
  rules.addValue(ELEMENT_VALUE, ELEMENT_STRING, AFTER_ELEMENT)
  rules.addSame(ELEMENT_OR_END, ELEMENT_VALUE)
  rules.addSame(FIELD_VALUE, MEMBER_VALUE)
  rules.on(FIELD_VALUE, '"', BEGIN_FIELD_STRING)
  rules.on(FIELD_VALUE, `-${DIGITS}`, BEGIN_FIELD_NUMBER)
  return rules.table
}

export const NEXT: Uint8Array = buildTable()
