import { isUtf8 } from 'node:buffer'
import { MAX_KEY_BYTES } from '../../routing/routing-key.ts'
import type { Message } from '../message.ts'
import { type Deliver, OUTCOMES, type Outcome } from '../outcome.ts'

/**
 * The frames of a link (docs/protocol.md). They are a stream of bytes, whatever WebSocket messages it is cut into; numbers are
 * big-endian.
 */
export type LinkFrame =
  | { readonly type: 'hello'; readonly windowBytes: number; readonly maxMessageBytes: number }
  | {
      readonly type: 'deliver'
      readonly id: number
      readonly user: string
      readonly deliver: Deliver
      readonly message: Message
    }
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: Outcome }
  | { readonly type: 'window'; readonly bytes: number }

const HELLO = 0
const DELIVER = 1
const OUTCOME = 2
const WINDOW = 3

const BYTES = { hello: 9, deliver: 12, outcome: 6, window: 5 } as const

/** Bits of a deliver frame's flags. */
const BINARY = 1
const TO_CLIENT = 2

/** Largest WebSocket message on a link, in bytes: what is longer goes as several. */
export const MAX_BATCH_BYTES = 262_144

/** Size of a deliver frame. */
export function deliverBytes(user: string, message: Message): number {
  return BYTES.deliver + Buffer.byteLength(user) + message.data.length
}

/** Bytes that several frames need in one buffer. */
export const ANSWER_BYTES: Readonly<Record<'hello' | 'outcome' | 'window', number>> = BYTES

/** Writes a deliver frame; returns where it ends. */
export function writeDeliver(
  to: Buffer,
  offset: number,
  id: number,
  user: string,
  deliver: Deliver,
  { data, binary }: Message,
): number {
  const userBytes = to.write(user, offset + BYTES.deliver, 'utf8')
  to[offset] = DELIVER
  to[offset + 1] = (binary ? BINARY : 0) | (deliver === 'client' ? TO_CLIENT : 0)
  to.writeUInt32BE(id, offset + 2)
  to.writeUInt16BE(userBytes, offset + 6)
  to.writeUInt32BE(data.length, offset + 8)
  const start = offset + BYTES.deliver + userBytes
  return start + data.copy(to, start)
}

/** Writes an outcome frame; returns where it ends. */
export function writeOutcome(to: Buffer, offset: number, id: number, outcome: Outcome): number {
  to[offset] = OUTCOME
  to[offset + 1] = OUTCOMES.indexOf(outcome)
  return to.writeUInt32BE(id, offset + 2)
}

/** Writes a window frame; returns where it ends. */
export function writeWindow(to: Buffer, offset: number, bytes: number): number {
  to[offset] = WINDOW
  return to.writeUInt32BE(bytes, offset + 1)
}

export function encodeHello(windowBytes: number, maxMessageBytes: number): Buffer {
  const frame = Buffer.allocUnsafe(BYTES.hello)
  frame[0] = HELLO
  frame.writeUInt32BE(windowBytes, 1)
  frame.writeUInt32BE(maxMessageBytes, 5)
  return frame
}

const EMPTY = Buffer.alloc(0)

/** Reads the frames of a link, however their bytes are cut into chunks. Never throws. */
export class LinkDecoder {
  /** What is wrong with the stream; nothing of it is read any more. */
  problem: string | undefined
  readonly #maxMessageBytes: number
  /** The beginning of a frame that is not complete. */
  #pieces: Buffer[] = []
  #have = 0
  /** Bytes without which there is no use in looking at the pieces again. */
  #need = 1

  /** @param maxMessageBytes a larger payload is a problem, known from its header on */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** The frames that are complete with this chunk. Their payloads are parts of it: they are valid as long as it is. */
  push(chunk: Buffer): LinkFrame[] {
    if (this.problem !== undefined) return []
    let bytes = chunk
    if (this.#have > 0) {
      this.#pieces.push(chunk)
      this.#have += chunk.length
      if (this.#have < this.#need) return []
      bytes = Buffer.concat(this.#pieces, this.#have)
    }
    const frames: LinkFrame[] = []
    let offset = 0
    for (;;) {
      const size = this.#size(bytes, offset)
      if (this.problem !== undefined) break
      if (offset + size > bytes.length) {
        this.#need = size
        break
      }
      const frame = this.#read(bytes, offset, offset + size)
      if (!frame) break
      frames.push(frame)
      offset += size
    }
    const rest = this.problem === undefined ? bytes.subarray(offset) : EMPTY
    this.#pieces = rest.length > 0 ? [rest] : []
    this.#have = rest.length
    return frames
  }

  /** Size of the frame that begins here, or, while that is not known, how many bytes of it are needed to know more. */
  #size(bytes: Buffer, offset: number): number {
    const available = bytes.length - offset
    if (available === 0) return 1
    const type = bytes[offset]
    if (type === HELLO) return BYTES.hello
    if (type === OUTCOME) return BYTES.outcome
    if (type === WINDOW) return BYTES.window
    if (type !== DELIVER) return this.#fail(`there is no frame of type ${type}`)
    if (available < BYTES.deliver) return BYTES.deliver
    const userBytes = bytes.readUInt16BE(offset + 6)
    const dataBytes = bytes.readUInt32BE(offset + 8)
    if (userBytes === 0 || userBytes > MAX_KEY_BYTES) return this.#fail(`a recipient of ${userBytes} bytes`)
    if (dataBytes > this.#maxMessageBytes) return this.#fail(`a message of ${dataBytes} bytes`)
    return BYTES.deliver + userBytes + dataBytes
  }

  #read(bytes: Buffer, offset: number, end: number): LinkFrame | undefined {
    switch (bytes[offset]) {
      case HELLO:
        return {
          type: 'hello',
          windowBytes: bytes.readUInt32BE(offset + 1),
          maxMessageBytes: bytes.readUInt32BE(offset + 5),
        }
      case OUTCOME: {
        const code = bytes[offset + 1] as number
        const outcome = OUTCOMES[code]
        if (outcome) return { type: 'outcome', id: bytes.readUInt32BE(offset + 2), outcome }
        this.#fail(`there is no outcome ${code}`)
        return undefined
      }
      case WINDOW:
        return { type: 'window', bytes: bytes.readUInt32BE(offset + 1) }
      default:
        return this.#readDeliver(bytes, offset, end)
    }
  }

  #readDeliver(bytes: Buffer, offset: number, end: number): LinkFrame | undefined {
    const flags = bytes[offset + 1] as number
    const start = offset + BYTES.deliver + bytes.readUInt16BE(offset + 6)
    const user = bytes.subarray(offset + BYTES.deliver, start)
    if (flags > (BINARY | TO_CLIENT)) this.#fail(`there are no flags ${flags}`)
    else if (!isUtf8(user)) this.#fail('a recipient that is not UTF-8')
    if (this.problem !== undefined) return undefined
    return {
      type: 'deliver',
      id: bytes.readUInt32BE(offset + 2),
      user: user.toString('utf8'),
      deliver: flags & TO_CLIENT ? 'client' : 'app',
      message: { data: bytes.subarray(start, end), binary: (flags & BINARY) !== 0 },
    }
  }

  #fail(problem: string): number {
    this.problem = problem
    return 0
  }
}
