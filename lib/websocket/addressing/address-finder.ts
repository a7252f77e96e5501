import { isUtf8 } from 'node:buffer'
import type { ByteAllowance } from '../byte-allowance.ts'
import { applyMask } from '../frames.ts'
import { FieldNames } from './field-names.ts'
import { FieldScan } from './field-scan.ts'

/** What an addressed message says of itself. */
export interface Address {
  /** Not empty. One that is longer than 512 bytes may be cut, and is longer than that still: no routing key either way. */
  readonly recipient: string
  /** The message's own field `id`, where that is asked for. */
  readonly id: string | number | undefined
}

/** Why a message that may be addressed was not looked at to its end. */
export type Unparsed = 'too_large' | 'too_deep'

export interface AddressFinderOptions {
  /** Field that names the recipient. */
  readonly field: string
  /** Whether the messages' ids are wanted. */
  readonly withId: boolean
  /** Largest message that is looked at, in bytes. */
  readonly maxBytes: number
  /** Memory for messages that are held until it is known whether they are addressed. */
  readonly room: ByteAllowance
}

/** Name of the field by which a client tells its messages apart (docs/messages.md, Receipts). */
const ID_FIELD = 'id'

/** Masked bytes are looked at in pieces of this size. */
const WORK_BYTES = 65_536

/**
 * Tells addressed messages: texts that are a JSON object with a non-empty string in a field, as `JSON.parse` would find it. Nothing
 * is built for that, and no text makes it throw. One is enough for all connections.
 */
export class AddressFinder {
  readonly maxBytes: number
  readonly room: ByteAllowance
  readonly #names: FieldNames
  /** Place of the `id` among the fields. */
  readonly #id: number | undefined
  /** Of messages that are here whole. */
  readonly #scan: FieldScan
  /** Where masked bytes are unmasked to be looked at. */
  readonly #work = Buffer.allocUnsafeSlow(WORK_BYTES)

  constructor({ field, withId, maxBytes, room }: AddressFinderOptions) {
    const isOther = withId && field !== ID_FIELD
    this.maxBytes = maxBytes
    this.room = room
    this.#names = new FieldNames(isOther ? [field, ID_FIELD] : [field])
    this.#id = isOther ? 1 : withId ? 0 : undefined
    this.#scan = new FieldScan(this.#names)
  }

  /**
   * @param payload of a whole text message, unmasked
   * @returns `undefined` where it is not addressed; where it was not looked at to its end, why
   */
  find(payload: Buffer): Address | Unparsed | undefined {
    if (payload.length > this.maxBytes) return 'too_large'
    const scan = this.#scan
    scan.reset()
    if (scan.feed(payload, 0, payload.length)) return this.addressOf(scan, payload)
    return scan.tooDeep ? 'too_deep' : undefined
  }

  /** Begins to look at a message that comes in pieces; they go to {@link feed}. */
  begin(): FieldScan {
    return new FieldScan(this.#names)
  }

  /**
   * Looks at a piece of a payload, which stays as it is.
   *
   * @param mask as {@link applyMask}
   * @param phase how many bytes of the frame's payload came before
   * @returns as {@link FieldScan.feed}
   */
  feed(scan: FieldScan, chunk: Buffer, start: number, end: number, mask: number, phase: number): boolean {
    if (mask === 0) return scan.feed(chunk, start, end)
    for (let from = start; from < end; from += WORK_BYTES) {
      const to = Math.min(from + WORK_BYTES, end)
      if (!scan.feed(this.#unmask(chunk, from, to, mask, phase + from - start), 0, to - from)) return false
    }
    return true
  }

  /** What a scan has found. @param payload all that it has seen, unmasked */
  addressOf(scan: FieldScan, payload: Buffer): Address | undefined {
    const recipient = scan.stringOf(0, payload)
    // Bytes that are no text are the app's to refuse, whatever could be read in them.
    if (recipient === undefined || recipient === '' || !isUtf8(payload)) return undefined
    return { recipient, id: this.#id === undefined ? undefined : scan.scalarOf(this.#id, payload) }
  }

  /** The whole payload of a frame, unmasked: valid until the next call of anything here. The chunk stays as it is. */
  look(chunk: Buffer, start: number, end: number, mask: number): Buffer {
    if (mask === 0) return chunk.subarray(start, end)
    if (end - start <= WORK_BYTES) return this.#unmask(chunk, start, end, mask, 0)
    const copy = Buffer.from(chunk.subarray(start, end))
    applyMask(copy, mask)
    return copy
  }

  #unmask(chunk: Buffer, start: number, end: number, mask: number, phase: number): Buffer {
    const bytes = this.#work.subarray(0, chunk.copy(this.#work, 0, start, end))
    applyMask(bytes, mask, phase)
    return bytes
  }
}
