/** Opcodes of RFC 6455 §5.2 that occur here. */
export const TEXT = 1
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** Far more than any message here. */
const MAX_FRAME_BYTES = 1_048_576

/** A frame's header (RFC 6455 §5.2). */
export interface Header {
  /** FIN, reserved bits and opcode. */
  first: number
  opcode: number
  masked: boolean
  /** Of the payload, in bytes. */
  length: number
  /** Of the header itself, the mask included. */
  headerBytes: number
}

/**
 * Cuts a stream of bytes into whole frames. Written apart from lib/websocket on purpose: what judges the programs must not share
 * their mistakes.
 */
export class FrameSplitter {
  readonly #header: Header = { first: 0, opcode: 0, masked: false, length: 0, headerBytes: 0 }
  readonly #onFrame: (header: Header, bytes: Buffer, payload: number) => void
  #rest: Buffer | undefined

  /** @param onFrame gets the header, and where in `bytes` the payload starts; both are valid only during the call */
  constructor(onFrame: (header: Header, bytes: Buffer, payload: number) => void) {
    this.#onFrame = onFrame
  }

  /**
   * @param chunk is not kept
   * @throws for a frame that is far too long
   */
  push(chunk: Buffer): void {
    const bytes = this.#rest ? Buffer.concat([this.#rest, chunk]) : chunk
    const header = this.#header
    let offset = 0
    while (readHeader(header, bytes, offset)) {
      const payload = offset + header.headerBytes
      if (header.length > MAX_FRAME_BYTES) throw new Error(`a frame of ${header.length} bytes`)
      if (payload + header.length > bytes.length) break
      offset = payload + header.length
      this.#onFrame(header, bytes, payload)
    }
    this.#rest = offset < bytes.length ? Buffer.from(bytes.subarray(offset)) : undefined
  }
}

function readHeader(header: Header, bytes: Buffer, offset: number): boolean {
  const available = bytes.length - offset
  if (available < 2) return false
  const second = bytes[offset + 1]!
  const short = second & 0x7f
  const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8
  header.first = bytes[offset]!
  header.opcode = header.first & 0x0f
  header.masked = second >= 0x80
  header.headerBytes = 2 + lengthBytes + (header.masked ? 4 : 0)
  if (available < header.headerBytes) return false
  if (lengthBytes === 0) header.length = short
  else header.length = lengthBytes === 2 ? bytes.readUInt16BE(offset + 2) : Number(bytes.readBigUInt64BE(offset + 2))
  return true
}

/** Bytes of the header in front of a payload below 64 KiB. */
export const headerSize = (length: number, masked: boolean): number => (length < 126 ? 2 : 4) + (masked ? 4 : 0)

/** Writes the header of a frame below 64 KiB; a mask follows it where one is given. */
export function writeHeader(target: Buffer, offset: number, first: number, length: number, mask?: number): void {
  const maskBit = mask === undefined ? 0 : 0x80
  target[offset] = first
  target[offset + 1] = maskBit | Math.min(length, 126)
  if (length >= 126) target.writeUInt16BE(length, offset + 2)
  if (mask !== undefined) target.writeUInt32BE(mask, offset + headerSize(length, true) - 4)
}

/** A client's whole frame below 64 KiB. */
export function maskedFrame(opcode: number, payload: Buffer, mask: number): Buffer {
  const start = headerSize(payload.length, true)
  const frame = Buffer.alloc(start + payload.length)
  writeHeader(frame, 0, 0x80 | opcode, payload.length, mask)
  for (let i = 0; i < payload.length; i++) frame[start + i] = payload[i]! ^ ((mask >>> (24 - 8 * (i & 3))) & 0xff)
  return frame
}
