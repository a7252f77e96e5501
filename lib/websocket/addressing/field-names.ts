import { SPECIAL } from './json-tables.ts'

const QUOTE = 0x22
const BACKSLASH = 0x5c

export interface Field {
  readonly place: number
  readonly name: Uint8Array
  /** Bytes of it up to the first that is always written as an escape. */
  readonly plainBytes: number
}

/** Names that are looked for; any number of scans can share them. */
export class FieldNames {
  readonly fields: readonly Field[]
  /** Which bytes a name that may be one of them begins with, as it is or as an escape. */
  readonly beginnings = new Uint8Array(256)

  /** @param names at most 31 different ones; values are asked for by their place in it */
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
