import { SPECIAL } from './json-tables.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

export interface Field {
  readonly place: number
  readonly name: Uint8Array
  /** Bytes of the name before the first one that JSON always escapes. */
  readonly plainBytes: number
}

/** The names to find; all scans can share them. */
export class FieldNames {
  readonly fields: readonly Field[]
  /** Bytes with which a matching name may begin, plain or escaped. */
  readonly beginnings = new Uint8Array(256)

  /** @param names at most 31 different names; their values are read by index */
  constructor(names: readonly string[]) {
    this.fields = names.map((text, place) => {
      const name = Buffer.from(text)
      const special = name.findIndex(byte => SPECIAL[byte] !== 0)
      this.beginnings[name[0] ?? QUOTE] = 1
      return { place, name, plainBytes: special < 0 ? name.length : special }
    })
    this.beginnings[BACKSLASH] = 1
  }
}
