import { isUtf8 } from 'node:buffer'
import { FieldScan } from './field-scan.ts'

/** What an addressed message says of itself. */
export interface Address {
  /** Not empty. One that is longer than 512 bytes may be cut, and is longer than that still: no routing key either way. */
  readonly recipient: string
  /** The message's own field `id`, where that is asked for. */
  readonly id: string | number | undefined
}

/** Name of the field by which a client tells its messages apart (docs/protocol.md, Receipts). */
const ID_FIELD = 'id'

/**
 * Tells addressed messages: texts that are a JSON object with a non-empty string in a field, as `JSON.parse` would find it. Nothing
 * is built for that, and no text makes it throw.
 */
export class AddressFinder {
  readonly #scan: FieldScan
  /** Place of the `id` among the fields. */
  readonly #id: number | undefined

  /**
   * @param field that names the recipient
   * @param withId whether the messages' ids are wanted
   */
  constructor(field: string, withId = false) {
    const isOther = withId && field !== ID_FIELD
    this.#scan = new FieldScan(isOther ? [field, ID_FIELD] : [field])
    this.#id = isOther ? 1 : withId ? 0 : undefined
  }

  /** @param payload of a whole text message, unmasked */
  find(payload: Buffer): Address | undefined {
    const scan = this.#scan
    scan.reset()
    if (!scan.feed(payload, 0, payload.length)) return undefined
    const recipient = scan.stringOf(0, payload)
    // Bytes that are no text are the app's to refuse, whatever could be read in them.
    if (recipient === undefined || recipient === '' || !isUtf8(payload)) return undefined
    return { recipient, id: this.#id === undefined ? undefined : scan.scalarOf(this.#id, payload) }
  }
}
