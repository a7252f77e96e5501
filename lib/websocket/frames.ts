import { endianness } from 'node:os'

/** Opcodes of RFC 6455 §5.2. */
export const OPCODE = { CONTINUATION: 0, TEXT: 1, BINARY: 2, CLOSE: 8, PING: 9, PONG: 10 } as const

/** Result of {@link FrameReader.read}. */
export const STEP = {
  /** The chunk is used up inside a header or payload. */
  MORE: 0,
  /** A header is complete; its payload follows. */
  HEADER: 1,
  /** A payload is complete, and with it the frame. */
  END: 2,
  /** The header of a frame without payload is complete, and with it the frame. */
  EMPTY: 3,
  /** The bytes are not frames of RFC 6455, or a message is too large: see `error`. Reading cannot continue. */
  ERROR: 4,
} as const

/** Longest frame header: two bytes, an eight-byte length, a four-byte mask. */
const MAX_HEADER_BYTES = 14

/** Largest payload of a control frame (RFC 6455 §5.5). */
const MAX_CONTROL_BYTES = 125

/**
 * Reads the headers of WebSocket frames (RFC 6455 §5.2) in a byte stream, however it is split into chunks, and tracks
 * message boundaries. It copies and allocates nothing, except when a header is split between chunks.
 */
export class FrameReader {
  /** `opcode` to `headerBytes` describe the frame whose header was read last. */
  opcode = 0
  fin = true
  /** Payload length in bytes. */
  length = 0
  /** Masking key, first byte in the highest bits; 0 if frames are not masked. */
  mask = 0
  /** Bytes of the frame's header. */
  headerBytes = 0
  /** Payload bytes still to come. */
  remaining = 0
  /** Opcode of the current message, 0 between two messages. */
  message = 0
  /** Bytes of the current message so far, its current frame included. */
  messageBytes = 0
  /** Number of messages read to their end. */
  messages = 0
  /** 0, or the close code for a fault of the stream: 1002 (protocol error) or 1009 (too big). */
  error = 0

  readonly #masked: boolean
  readonly #maxMessageBytes: number
  #inFrame = false
  #partial: Buffer | undefined
  #partialBytes = 0

  /**
   * @param masked whether the sender must mask its frames: a client must, a server must not (RFC 6455 §5.1)
   * @param maxMessageBytes a larger message is an error as soon as its header declares it
   */
  constructor(masked: boolean, maxMessageBytes: number) {
    this.#masked = masked
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Whether a header has been read in part. */
  get inHeader(): boolean {
    return this.#partialBytes > 0
  }

  /** Whether the next byte begins a frame: only here may a control frame be injected. */
  get betweenFrames(): boolean {
    return !this.#inFrame && this.#partialBytes === 0
  }

  /** Whether the next byte begins a frame outside any message: only here may a message be injected. */
  get betweenMessages(): boolean {
    return this.betweenFrames && this.message === 0
  }

  /** Offset into the chunk where the last read stopped. */
  position = 0

  /**
   * Reads from `offset` to the end of the next header or payload. Continues where the previous chunk ended.
   *
   * @returns a {@link STEP}; `position` has the new offset
   */
  read(chunk: Buffer, offset: number): number {
    if (this.#inFrame) return this.#readPayload(chunk, offset)
    if (this.error !== 0) return STEP.ERROR
    if (this.#partialBytes > 0) return this.#readCutHeader(chunk, offset)
    const step = this.#readHeader(chunk, offset, chunk.length)
    if (step === STEP.MORE) this.#keep(chunk, offset)
    return step
  }

  /**
   * Takes back the bytes of an incomplete header; the next chunk must begin with them.
   *
   * @returns their number
   */
  unread(): number {
    const bytes = this.#partialBytes
    this.#partialBytes = 0
    return bytes
  }

  #readPayload(chunk: Buffer, offset: number): number {
    const available = chunk.length - offset
    if (available < this.remaining) {
      this.remaining -= available
      this.position = chunk.length
      return STEP.MORE
    }
    this.position = offset + this.remaining
    this.remaining = 0
    this.#inFrame = false
    this.#endFrame()
    return STEP.END
  }

  #endFrame(): void {
    if (!this.fin || this.opcode >= OPCODE.CLOSE) return
    this.message = 0
    this.messageBytes = 0
    this.messages++
  }

  #readHeader(chunk: Buffer, offset: number, end: number): number {
    if (end - offset < 2) return STEP.MORE
    const first = chunk[offset] as number
    const second = chunk[offset + 1] as number
    const short = second & 0x7f
    const lengthBytes = short < 126 ? 0 : short === 126 ? 2 : 8
    const masked = second >= 0x80
    const bytes = 2 + lengthBytes + (masked ? 4 : 0)
    // Errors are reported as soon as they are visible, even if the rest of the header is missing.
    const opcode = first & 0x0f
    const fin = first >= 0x80
    if ((first & 0x70) !== 0 || masked !== this.#masked || this.#misplaced(opcode, fin, short)) return this.#fail(1002)
    if (end - offset < bytes) return STEP.MORE
    const length = short < 126 ? short : readLength(chunk, offset + 2, short === 126)
    if (length < 0) return this.#fail(1002)
    if (opcode < OPCODE.CLOSE && !this.#addToMessage(opcode, length)) return this.#fail(1009)
    this.opcode = opcode
    this.fin = fin
    this.length = length
    this.remaining = length
    this.mask = masked ? chunk.readUInt32BE(offset + bytes - 4) : 0
    this.headerBytes = bytes
    this.position = offset + bytes
    this.#inFrame = length > 0
    if (length > 0) return STEP.HEADER
    this.#endFrame()
    return STEP.EMPTY
  }

  /** Counts a data frame to its message. @returns whether the message is within its limit */
  #addToMessage(opcode: number, length: number): boolean {
    if (this.messageBytes + length > this.#maxMessageBytes) return false
    if (opcode !== OPCODE.CONTINUATION) this.message = opcode
    this.messageBytes += length
    return true
  }

  /** Unknown opcodes, fragments out of order, control frames that are too long or fragmented (RFC 6455 §5.4, §5.5). */
  #misplaced(opcode: number, fin: boolean, short: number): boolean {
    if (opcode >= OPCODE.CLOSE) return opcode > OPCODE.PONG || !fin || short > MAX_CONTROL_BYTES
    if (opcode === OPCODE.CONTINUATION) return this.message === 0
    return opcode > OPCODE.BINARY || this.message !== 0
  }

  #fail(code: number): number {
    this.error = code
    return STEP.ERROR
  }

  #keep(chunk: Buffer, offset: number): void {
    this.#partial ??= Buffer.alloc(MAX_HEADER_BYTES)
    this.#partialBytes += chunk.copy(this.#partial, this.#partialBytes, offset)
    this.position = chunk.length
  }

  #readCutHeader(chunk: Buffer, offset: number): number {
    const partial = this.#partial as Buffer
    const before = this.#partialBytes
    const have = before + chunk.copy(partial, before, offset)
    const step = this.#readHeader(partial, 0, have)
    if (step === STEP.MORE) {
      this.#partialBytes = have
      this.position = chunk.length
    } else {
      this.#partialBytes = 0
      this.#partial = undefined
      this.position = offset + this.headerBytes - before
    }
    return step
  }
}

/** Reads a length of two or eight bytes; -1 if it is not in its shortest form or its highest bit is set (RFC 6455 §5.2). */
function readLength(chunk: Buffer, offset: number, isShort: boolean): number {
  if (isShort) {
    const length = ((chunk[offset] as number) << 8) | (chunk[offset + 1] as number)
    return length < 126 ? -1 : length
  }
  const length = chunk.readInt32BE(offset) * 2 ** 32 + chunk.readUInt32BE(offset + 4)
  return length < 65_536 ? -1 : length
}

/**
 * Masks or unmasks bytes in place (RFC 6455 §5.3).
 *
 * @param mask as {@link FrameReader.mask}
 * @param phase number of earlier bytes of the payload
 */
export function applyMask(bytes: Buffer, mask: number, phase = 0): void {
  if (mask === 0) return
  const k = [mask >>> 24, (mask >>> 16) & 0xff, (mask >>> 8) & 0xff, mask & 0xff]
  const head = bytes.length < WORDS_FROM_BYTES ? bytes.length : -bytes.byteOffset & 3
  for (let i = 0; i < head; i++) bytes[i] = (bytes[i] as number) ^ (k[(i + phase) & 3] as number)
  if (head === bytes.length) return
  const tail = head + maskWords(bytes, head, k, head + phase)
  for (let i = tail; i < bytes.length; i++) bytes[i] = (bytes[i] as number) ^ (k[(i + phase) & 3] as number)
}

/** From this size on, masking four bytes at a time is faster, although it needs a separate view. */
const WORDS_FROM_BYTES = 64

/** Shifts that give the bytes of a word in this machine's order. */
const SHIFTS = endianness() === 'LE' ? [0, 8, 16, 24] : [24, 16, 8, 0]

/** Masks all whole words from `start` on, which must be aligned; returns the number of bytes masked. */
function maskWords(bytes: Buffer, start: number, k: readonly number[], phase: number): number {
  const word = SHIFTS.reduce((word, shift, i) => word | ((k[(i + phase) & 3] as number) << shift), 0)
  const words = new Int32Array(bytes.buffer, bytes.byteOffset + start, (bytes.length - start) >> 2)
  for (let i = 0; i < words.length; i++) words[i] = (words[i] as number) ^ word
  return words.byteLength
}

/**
 * Encodes one whole frame.
 *
 * @param mask `undefined` for a server's frame
 */
export function encodeFrame(opcode: number, payload: Buffer, mask?: number): Buffer {
  const lengthBytes = payload.length < 126 ? 0 : payload.length < 65_536 ? 2 : 8
  const headerBytes = 2 + lengthBytes + (mask === undefined ? 0 : 4)
  const frame = Buffer.allocUnsafe(headerBytes + payload.length)
  frame[0] = 0x80 | opcode
  frame[1] = (mask === undefined ? 0 : 0x80) | (lengthBytes === 0 ? payload.length : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) frame.writeUInt16BE(payload.length, 2)
  else if (lengthBytes === 8) frame.writeBigUInt64BE(BigInt(payload.length), 2)
  payload.copy(frame, headerBytes)
  if (mask !== undefined) {
    frame.writeUInt32BE(mask, headerBytes - 4)
    applyMask(frame.subarray(headerBytes), mask)
  }
  return frame
}

/**
 * Encodes the payload of a close frame (RFC 6455 §5.5.1), empty without a code. The reason is cut to fit, between two
 * characters.
 */
export function encodeClose(code?: number, reason = ''): Buffer {
  if (code === undefined) return Buffer.alloc(0)
  let text = Buffer.from(reason)
  if (text.length > MAX_CONTROL_BYTES - 2) {
    let end = MAX_CONTROL_BYTES - 2
    while (((text[end] as number) & 0xc0) === 0x80) end--
    text = text.subarray(0, end)
  }
  const payload = Buffer.allocUnsafe(2 + text.length)
  payload.writeUInt16BE(code, 0)
  text.copy(payload, 2)
  return payload
}
