/** What a tap does with the bytes that the reader has just read; numbers, because each frame is asked for. */
export const TAP = {
  /** They pass with the bytes around them. */
  PASS: 0,
  /** The tap keeps them. The bytes before them are written first, then `keep` is called. */
  HOLD: 1,
  /** They end a message that leaves the stream. The bytes before it are written first, then `take` is called. */
  TAKE: 2,
} as const
