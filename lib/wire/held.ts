import { applyMask, type FrameReader, STEP } from './frames.ts'

/** Frames that are held back until it is known whether they pass: as they came, and what they say. */
export interface Held {
  readonly frames: Buffer[]
  readonly payload: Buffer[]
}

/**
 * Most pieces of a message that is held: this many, and one more for each so many bytes. A piece costs more than a byte, so
 * a message in pieces of one byte each would take a hundred times its size; one in more pieces than this is not looked at.
 */
const MAX_PIECES = 1024
const BYTES_A_PIECE = 256

/** Whether a message comes in so many pieces that it must not be held any longer. */
export function tooManyPieces({ frames }: Held, messageBytes: number): boolean {
  return frames.length > MAX_PIECES + messageBytes / BYTES_A_PIECE
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
