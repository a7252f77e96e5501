/** A tap's decision on the bytes just read; numbers, because taps are asked for each frame. */
export const TAP = {
  /** The bytes pass with the bytes around them. */
  PASS: 0,
  /** The tap keeps the bytes. Earlier bytes are written first, then `keep` is called. */
  HOLD: 1,
  /** The bytes end a message that leaves the stream. Earlier bytes are written first, then `take` is called. */
  TAKE: 2,
} as const
