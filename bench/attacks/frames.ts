/** A frame of a client: masked with nothing, so that its payload is as it was given (RFC 6455 §5.3). */
export function clientFrame(opcode: number, payload: Buffer, fin = true): Buffer {
  return Buffer.concat([clientHeader(opcode, payload.length, fin), payload])
}

/** The header of such a frame, whatever comes after it. */
export function clientHeader(opcode: number, length: number, fin = true): Buffer {
  const first = (fin ? 0x80 : 0) | opcode
  const mask = Buffer.alloc(4)
  if (length < 126) return Buffer.concat([Buffer.of(first, 0x80 | length), mask])
  if (length < 65_536) return Buffer.concat([Buffer.of(first, 0x80 | 126, length >> 8, length & 0xff), mask])
  const long = Buffer.alloc(10)
  long[0] = first
  long[1] = 0x80 | 127
  long.writeUInt32BE(length, 6)
  return Buffer.concat([long, mask])
}
