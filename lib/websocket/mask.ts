import { randomInt } from 'node:crypto'

const KEYS = 2 ** 32

/** Returns an unpredictable masking key (RFC 6455 §5.3). Node takes such numbers from a pool of random bytes. */
export const nextMask = (): number => randomInt(KEYS)

/** Encodes a key as four bytes: a unique ping payload, by which its pong is recognised. */
export function encodeMask(mask: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(mask)
  return bytes
}
