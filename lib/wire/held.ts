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
