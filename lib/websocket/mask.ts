import { randomFillSync } from 'node:crypto'

const pool = Buffer.alloc(4096)
let used = pool.length

/** Returns an unpredictable masking key (RFC 6455 §5.3). From a pool, because generating them one by one is slow. */
export function nextMask(): number {
  if (used >= pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += 4
  return pool.readUInt32BE(used - 4)
}

/** Encodes a key as four bytes: a unique ping payload, by which its pong is recognised. */
export function encodeMask(mask: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(mask)
  return bytes
}
