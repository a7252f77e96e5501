import { applyMask, type FrameReader, STEP } from './frames.ts'

/**
 * Most pieces of a message that is held: this many, and one more for each so many bytes. A piece costs more than a byte, so
 * a message in pieces of one byte each would take a hundred times its size; one in more pieces than this is not looked at.
 */
const MAX_PIECES = 1024
const BYTES_A_PIECE = 256

/**
 * Bytes that all messages of this process together may have held: a few clients that never end what they have begun must not take the
 * memory of everybody. A message for which there is no room is not looked at.
 */
export const MAX_HELD_BYTES = 48 << 20

/** What is held now, and messages that could have been addressed and were not looked at; of this process. */
export const holdings = { bytes: 0, unread: 0 }

/** A piece of a payload, and what of the frame's mask it begins with. */
interface Piece {
  readonly bytes: Buffer
  readonly mask: number
  readonly offset: number
}

/** A message that is held back, as it comes, until it is known whether it passes. */
export class Held {
  readonly #frames: Buffer[] = []
  /** Parts of the frames, not copies of them. */
  readonly #payload: Piece[] = []
  #bytes = 0

  /** A header, or a part of one. The bytes must stay as they are. */
  add(bytes: Buffer): void {
    this.#frames.push(bytes)
    this.#bytes += bytes.length
    holdings.bytes += bytes.length
  }

  /**
   * A part of a payload.
   *
   * @param offset of the part in the payload of its frame
   */
  addPayload(bytes: Buffer, mask: number, offset: number): void {
    this.add(bytes)
    this.#payload.push({ bytes, mask, offset })
  }

  /**
   * Whether it must not be held any longer.
   *
   * @param messageBytes of the payload, as far as its headers tell
   */
  isTooMuch(messageBytes: number): boolean {
    return this.#frames.length > MAX_PIECES + messageBytes / BYTES_A_PIECE || holdings.bytes > MAX_HELD_BYTES
  }

  /** The payload so far, unmasked; a copy. */
  unmasked(): Buffer {
    const whole = Buffer.concat(this.#payload.map(({ bytes }) => bytes))
    let start = 0
    for (const { bytes, mask, offset } of this.#payload) {
      applyMask(whole.subarray(start, start + bytes.length), mask, offset)
      start += bytes.length
    }
    return whole
  }

  /** Gives up what is held, as it came. To be called once. */
  release(): readonly Buffer[] {
    holdings.bytes -= this.#bytes
    return this.#frames
  }
}

const OPEN_BRACE = 0x7b

/** Whether this is the header of a text frame that can be the beginning of a JSON object, as far as its bytes are here. */
export function mayBeAddressed(reader: FrameReader, chunk: Buffer, payload: number, step: number): boolean {
  if (step === STEP.EMPTY) return !reader.fin
  if (step !== STEP.HEADER) return false
  if (payload >= chunk.length) return true
  const first = (chunk[payload] as number) ^ (reader.mask >>> 24)
  return first === OPEN_BRACE || first === 0x20 || (first >= 0x09 && first <= 0x0d)
}

/** Payloads up to this size are looked at in a buffer that all pipes share. */
const scratch = Buffer.allocUnsafeSlow(65_536)

/** A payload unmasked, to be looked at now; the chunk stays as it is. */
export function unmasked(chunk: Buffer, start: number, end: number, mask: number): Buffer {
  if (mask === 0) return chunk.subarray(start, end)
  const bytes = end - start
  const copy = bytes <= scratch.length ? scratch.subarray(0, bytes) : Buffer.allocUnsafe(bytes)
  chunk.copy(copy, 0, start, end)
  applyMask(copy, mask)
  return copy
}
