import { randomFillSync } from 'node:crypto'

const pool = Buffer.alloc(4096)
let used = pool.length

/** A masking key that nobody can foresee (RFC 6455 §5.3); from a pool, because asking for one at a time is slow. */
export function nextMask(): number {
  if (used >= pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += 4
  return pool.readUInt32BE(used - 4)
}

/** Four bytes that nobody else has, as a payload of a ping, to know the pong to it again. */
export function encodeMask(mask: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(mask)
  return bytes
}
