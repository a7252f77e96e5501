import type { Field, FieldNames } from './field-names.ts'
import * as T from './json-tables.ts'
import { readCutString, readNumber, readString } from './json-values.ts'

/** Deepest nesting of objects and arrays that is read; a deeper text is {@link FieldScan.tooDeep}. */
export const MAX_DEPTH = 512

const { NEXT, SPECIAL, ESCAPES, HEX, MATCHING, FAIL } = T
const QUOTE = 0x22
const BACKSLASH = 0x5c
const LETTER_U = 0x75

/** The last value of a field, if it is a string or a number. */
interface Value {
  kind: 'none' | 'string' | 'number'
  /** Offset into the text, after the opening quote of a string. */
  start: number
}

/** Position within a name that may match a field. */
const IN_NAME = 0
const IN_ESCAPE = 1
const IN_HEX = 2

/**
 * Finds the values of given fields in a JSON object without building objects, however the bytes are split into pieces.
 * It finds the same as `JSON.parse`: the last value of a name, with escapes in names decoded, and nothing if the text
 * is not entirely JSON (RFC 8259), is not an object, or is nested deeper than {@link MAX_DEPTH}. The caller must check
 * that the bytes are UTF-8. Its memory does not depend on the text.
 */
export class FieldScan {
  /** Whether the scan has ended because of deep nesting. */
  tooDeep = false
  readonly #fields: readonly Field[]
  readonly #beginnings: Uint8Array
  /** By field index. */
  readonly #values: readonly Value[]
  /** For each level, the state after a value in it. */
  readonly #levels = new Uint8Array(MAX_DEPTH + 1).fill(T.NOTHING, 0, 1)
  #depth = 0
  #state: number = T.ROOT
  #bytes = 0
  /** Adding it to an offset into the current piece gives the offset into the text. */
  #shift = 0
  /** The field that the next value belongs to. */
  #next: Value | undefined
  /** A bit for each field that the name may still match, and the number of bytes matched. */
  #candidates = 0
  #matched = 0
  #place = IN_NAME
  #unit = 0
  #hexDigits = 0
  /** The high half of a surrogate pair, from an escape. */
  #half = 0

  constructor({ fields, beginnings }: FieldNames) {
    this.#fields = fields
    this.#beginnings = beginnings
    this.#values = fields.map(() => ({ kind: 'none', start: 0 }))
  }

  /** Begins a new text. */
  reset(): void {
    this.tooDeep = false
    this.#depth = 0
    this.#state = T.ROOT
    this.#bytes = 0
    for (const value of this.#values) value.kind = 'none'
  }

  /** Whether the bytes read are exactly one whole JSON object. */
  get whole(): boolean {
    return this.#state === T.NOTHING
  }

  /**
   * Reads the next bytes.
   *
   * @returns `false` if the text cannot become a JSON object, or is too deep
   */
  feed(bytes: Uint8Array, start: number, end: number): boolean {
    this.#shift = this.#bytes - start
    this.#bytes += end - start
    let i = start
    while (i < end && this.#state !== FAIL)
      i = this.#state === MATCHING ? this.#readName(bytes, i, end) : this.#read(bytes, i, end)
    return this.#state !== FAIL
  }

  // biome-ignore lint/complexity/noExcessiveCognitiveComplexity: with the actions in a method, nested objects took 10 % longer
  #read(bytes: Uint8Array, from: number, end: number): number {
    const levels = this.#levels
    let depth = this.#depth
    let state = this.#state
    let i = from
    while (i < end) {
      const byte = bytes[i++] as number
      state = NEXT[(state << 8) | byte] as number
      if (state > T.LAST_STRING) {
        if (state < T.FIRST_ACTION) continue
        switch (state) {
          case T.OPEN_OBJECT:
            if (depth === MAX_DEPTH) return this.#failDeep(i)
            levels[++depth] = T.AFTER_MEMBER
            state = T.NAME_OR_END
            continue
          case T.OPEN_ARRAY:
            if (depth === MAX_DEPTH) return this.#failDeep(i)
            levels[++depth] = T.AFTER_ELEMENT
            state = T.ELEMENT_OR_END
            continue
          case T.CLOSE:
            state = levels[--depth] as number
            continue
          case T.BEGIN_NAME:
            if (depth === 1 && (i === end || this.#beginnings[bytes[i] as number] !== 0)) {
              this.#depth = depth
              return this.#beginName(bytes, i, end)
            }
            state = T.NAME
            break
          case T.BEGIN_FIELD_STRING:
            this.#beginValue('string', i)
            state = T.MEMBER_STRING
            break
          case T.BEGIN_FIELD_NUMBER:
            this.#beginValue('number', i - 1)
            state = NEXT[(T.MEMBER_VALUE << 8) | byte] as number
            continue
          default:
            this.#state = FAIL
            return i
        }
      }
      while (i < end && SPECIAL[bytes[i] as number] === 0) i++
    }
    this.#depth = depth
    this.#state = state
    return i
  }

  #failDeep(position: number): number {
    this.tooDeep = true
    this.#state = FAIL
    return position
  }

  #beginName(bytes: Uint8Array, start: number, end: number): number {
    // The common case: the name is in one piece, without escapes before the first difference.
    let isDecided = true
    for (let n = 0; n < this.#fields.length; n++) {
      const field = this.#fields[n] as Field
      const { name, plainBytes } = field
      let i = start
      while (i - start < plainBytes && i < end && bytes[i] === name[i - start]) i++
      if (i === end || bytes[i] === BACKSLASH) isDecided = false
      else if (bytes[i] === QUOTE && i - start === name.length) {
        this.#found(field)
        return i + 1
      }
    }
    if (isDecided) {
      this.#state = T.NAME
      return start
    }
    this.#state = MATCHING
    this.#place = IN_NAME
    this.#candidates = 2 ** this.#fields.length - 1
    this.#matched = 0
    this.#half = 0
    return start
  }

  #found({ place }: Field): void {
    const value = this.#values[place] as Value
    this.#state = T.FIELD_COLON
    this.#next = value
    // The last occurrence of a name counts, whatever its value.
    value.kind = 'none'
  }

  #beginValue(kind: Value['kind'], position: number): void {
    const value = this.#next as Value
    value.kind = kind
    value.start = position + this.#shift
  }

  /** Reads a name of the outermost object for as long as it may match a field. */
  #readName(bytes: Uint8Array, from: number, end: number): number {
    let i = from
    while (i < end && this.#state === MATCHING) {
      const byte = bytes[i++] as number
      if (this.#place === IN_HEX) this.#readHex(byte)
      else if (this.#place === IN_ESCAPE) this.#readEscape(byte)
      else if (byte === QUOTE) this.#endName()
      else if (byte === BACKSLASH) this.#place = IN_ESCAPE
      else if (byte < 0x20) this.#state = FAIL
      else this.#match(byte)
    }
    return i
  }

  #endName(): void {
    this.#state = T.COLON
    if (this.#half !== 0) return
    for (const field of this.#fields)
      if (((this.#candidates >>> field.place) & 1) === 1 && field.name.length === this.#matched) this.#found(field)
  }

  /** Matches the next byte of the name, with escapes decoded. */
  #match(byte: number): void {
    if (this.#half !== 0) this.#candidates = 0
    for (let n = 0; n < this.#fields.length; n++)
      if ((this.#fields[n] as Field).name[this.#matched] !== byte) this.#candidates &= ~(1 << n)
    this.#matched++
    if (this.#candidates === 0) this.#state = T.NAME
  }

  #readEscape(byte: number): void {
    this.#place = IN_NAME
    if (byte === LETTER_U) {
      this.#place = IN_HEX
      this.#unit = 0
      this.#hexDigits = 0
    } else if (ESCAPES[byte] === 0) this.#state = FAIL
    else this.#match(ESCAPES[byte] as number)
  }

  #readHex(byte: number): void {
    const digit = HEX[byte] as number
    this.#unit = (this.#unit << 4) | digit
    if (digit > 15) this.#state = FAIL
    else if (++this.#hexDigits === 4) {
      this.#place = IN_NAME
      this.#matchUnit(this.#unit)
    }
  }

  /** Matches the next UTF-16 unit of the name. */
  #matchUnit(unit: number): void {
    const isHigh = unit >= 0xd800 && unit < 0xdc00
    const isLow = unit >= 0xdc00 && unit < 0xe000
    const half = this.#half
    this.#half = 0
    // A lone surrogate never occurs in a name encoded in UTF-8.
    if (isLow !== (half !== 0)) this.#state = T.NAME
    else if (isHigh) this.#half = unit
    else this.#matchCharacter(isLow ? 0x10000 + ((half - 0xd800) << 10) + (unit - 0xdc00) : unit)
  }

  /** Matches the UTF-8 bytes of a character (RFC 3629 §3). @param code its code point */
  #matchCharacter(code: number): void {
    if (code < 0x80) this.#match(code)
    else {
      const more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3
      this.#match(((0xff00 >> (more + 1)) & 0xff) | (code >> (6 * more)))
      for (let n = more - 1; n >= 0; n--) this.#match(0x80 | ((code >> (6 * n)) & 0x3f))
    }
  }

  /**
   * Returns the string value of a field.
   *
   * @param text all bytes that were read
   * @returns `undefined` if there is none; a string above 512 bytes of UTF-8 may be cut, but stays above 512 bytes
   */
  stringOf(field: number, text: Buffer): string | undefined {
    const { kind, start } = this.#values[field] as Value
    return kind === 'string' && this.whole ? readCutString(text, start) : undefined
  }

  /** Returns the string or number value of a field; `undefined` also for a value above `MAX_VALUE_BYTES`. */
  scalarOf(field: number, text: Buffer): string | number | undefined {
    const { kind, start } = this.#values[field] as Value
    if (kind === 'none' || !this.whole) return undefined
    return kind === 'number' ? readNumber(text, start) : readString(text, start)
  }
}
