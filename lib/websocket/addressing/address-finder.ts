import { isUtf8 } from 'node:buffer'
import type { ByteAllowance } from '../byte-allowance.ts'
import { applyMask } from '../frames.ts'
import { FieldNames } from './field-names.ts'
import { FieldScan } from './field-scan.ts'
import { NameFilter } from './name-filter.ts'

/** The recipient and id in an addressed message. */
export interface Address {
  /** Not empty. A recipient above 512 bytes may be cut, but stays above 512 bytes: it is no routing key either way. */
  readonly recipient: string
  /** The message's own field `id`, if ids are wanted. */
  readonly id: string | number | undefined
}

/** Why a message that may be addressed was not fully parsed. */
export type Unparsed = 'too_large' | 'too_deep'

export interface AddressFinderOptions {
  /** Field that names the recipient. */
  readonly field: string
  /** Whether the ids of messages are wanted. */
  readonly withId: boolean
  /** Largest message that is parsed, in bytes. */
  readonly maxBytes: number
  /** Memory for messages that are held while it is open whether they are addressed. */
  readonly room: ByteAllowance
}

/** Field that identifies a client's message (docs/messages.md, Receipts). */
const ID_FIELD = 'id'

/** Masked bytes are parsed in pieces of this size. */
const WORK_BYTES = 65_536

/**
 * Finds addressed messages: JSON objects with a non-empty string in a given field, as `JSON.parse` would read them. It
 * builds no objects, and no text makes it throw. One instance serves all connections.
 */
export class AddressFinder {
  readonly maxBytes: number
  readonly room: ByteAllowance
  readonly #names: FieldNames
  readonly #filter: NameFilter
  /** Index of `id` among the fields. */
  readonly #id: number | undefined
  /** For messages that arrive whole. */
  readonly #scan: FieldScan
  /** Masked bytes are unmasked into this buffer. */
  readonly #work = Buffer.allocUnsafeSlow(WORK_BYTES)

  constructor({ field, withId, maxBytes, room }: AddressFinderOptions) {
    const isOther = withId && field !== ID_FIELD
    this.maxBytes = maxBytes
    this.room = room
    this.#names = new FieldNames(isOther ? [field, ID_FIELD] : [field])
    this.#filter = new NameFilter(field)
    this.#id = isOther ? 1 : withId ? 0 : undefined
    this.#scan = new FieldScan(this.#names)
  }

  /**
   * Finds the address of a whole message.
   *
   * @param payload of a text message, unmasked
   * @returns `undefined` if the message is not addressed; the reason if it was not fully parsed
   */
  find(payload: Buffer): Address | Unparsed | undefined {
    if (payload.length > this.maxBytes) return 'too_large'
    if (!this.#filter.mayBeIn(payload)) return undefined
    const scan = this.#scan
    scan.reset()
    if (scan.feed(payload, 0, payload.length)) return this.addressOf(scan, payload)
    return scan.tooDeep ? 'too_deep' : undefined
  }

  /** Begins to parse a message that arrives in pieces, which go to {@link feed}. */
  begin(): FieldScan {
    return new FieldScan(this.#names)
  }

  /**
   * Parses a piece of a payload; its bytes stay unchanged.
   *
   * @param mask as for {@link applyMask}
   * @param phase number of earlier payload bytes of the frame
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

  /** Returns the address that a scan has found. @param payload all bytes that it has read, unmasked */
  addressOf(scan: FieldScan, payload: Buffer): Address | undefined {
    const recipient = scan.stringOf(0, payload)
    // The app rejects text that is not UTF-8, even if an address can be read in it.
    if (recipient === undefined || recipient === '' || !isUtf8(payload)) return undefined
    return { recipient, id: this.#id === undefined ? undefined : scan.scalarOf(this.#id, payload) }
  }

  /** Unmasks the whole payload of a frame. Valid until the next call of any method here; the chunk stays unchanged. */
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
