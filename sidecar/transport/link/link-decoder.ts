import { isUtf8 } from 'node:buffer'
import { CONNECTION_ID_BYTES } from '../../../lib/routing/connection-id.ts'
import { MAX_KEY_BYTES } from '../../../lib/routing/key/routing-key.ts'
import { MAX_ANNOUNCEMENT_BYTES } from '../announcement.ts'
import { type Deliver, OUTCOMES } from '../outcome.ts'
import type { Origin } from '../transport.ts'
import {
  BYTES,
  FLAG,
  LENGTH_BYTES,
  type LinkFrame,
  MAX_MEMBER_BYTES,
  MAX_RECIPIENT_BYTES,
  readServed,
  SERVED,
  TYPE,
} from './link-frames.ts'

const WHERE = FLAG.TO_CLIENT | FLAG.AS_SENDER | FLAG.REPLY
const DELIVER_BY_FLAG: Readonly<Record<number, Deliver>> = {
  0: 'app',
  [FLAG.TO_CLIENT]: 'client',
  [FLAG.AS_SENDER]: 'sender',
  [FLAG.REPLY]: 'reply',
}

/** The sender's connection, and the payload's start. The handshake is a view of the frame. */
function readOrigin(bytes: Buffer, from: number, flags: number): { origin: Origin | undefined; start: number } {
  if (!(flags & FLAG.AS_SENDER)) return { origin: undefined, start: from }
  const end = from + CONNECTION_ID_BYTES
  const id = bytes.toString('hex', from, end)
  if (!(flags & FLAG.INTRODUCES)) return { origin: { id, handshake: undefined }, start: end }
  const begin = end + LENGTH_BYTES
  const start = begin + bytes.readUInt16BE(end)
  return { origin: { id, handshake: bytes.subarray(begin, start) }, start }
}

const EMPTY = Buffer.alloc(0)

/** Cost of a frame fragment beyond its bytes, so that a frame sent byte by byte is not cheap. */
const PIECE_OVERHEAD_BYTES = 200

/** Decodes the frames of a link, independent of chunk boundaries. Never throws. */
export class LinkDecoder {
  /** The protocol violation; nothing is read after it. */
  problem: string | undefined
  readonly #maxMessageBytes: number
  /** The beginning of an incomplete frame. */
  #pieces: Buffer[] = []
  #have = 0
  /** Number of bytes needed before the fragments are examined again. */
  #need = 1

  /** @param maxMessageBytes a larger payload is a violation, detected from its header */
  constructor(maxMessageBytes: number) {
    this.#maxMessageBytes = maxMessageBytes
  }

  /** Memory of the incomplete frame. */
  get heldBytes(): number {
    return this.#have + this.#pieces.length * PIECE_OVERHEAD_BYTES
  }

  /** Drops an incomplete frame and stops reading. */
  stop(): void {
    this.problem ??= 'stopped'
    this.#pieces = []
    this.#have = 0
  }

  /** The frames completed by this chunk. Their payloads are views of it, and valid as long as it is. */
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

  /** Size of the frame at this offset or, while unknown, the number of bytes needed to determine it. */
  #size(bytes: Buffer, offset: number): number {
    const available = bytes.length - offset
    if (available === 0) return 1
    switch (bytes[offset]) {
      case TYPE.DELIVER:
        return available < BYTES.deliver ? BYTES.deliver : this.#deliverSize(bytes, offset)
      case TYPE.HELLO:
        return BYTES.hello
      case TYPE.OUTCOME:
        return BYTES.outcome
      case TYPE.WINDOW:
        return BYTES.window
      case TYPE.BYE:
        return BYTES.bye
      case TYPE.INTRODUCE:
        return BYTES.introduce
      case TYPE.END:
        return BYTES.end
      case TYPE.HERE: {
        if (available < BYTES.here) return BYTES.here
        const length = bytes.readUInt32BE(offset + 5)
        return length > MAX_ANNOUNCEMENT_BYTES ? this.#fail(`an announcement of ${length} bytes`) : BYTES.here + length
      }
      case TYPE.MOVED: {
        if (available < BYTES.moved) return BYTES.moved
        const length = bytes.readUInt16BE(offset + 5)
        return length > MAX_MEMBER_BYTES ? this.#fail(`a member of ${length} bytes`) : BYTES.moved + length
      }
      default:
        return this.#fail(`there is no frame of type ${bytes[offset]}`)
    }
  }

  #deliverSize(bytes: Buffer, offset: number): number {
    const userBytes = bytes.readUInt16BE(offset + 10)
    const dataBytes = bytes.readUInt32BE(offset + 12)
    const longest = (bytes[offset + 1] as number) & FLAG.COPY ? MAX_RECIPIENT_BYTES : MAX_KEY_BYTES
    if (userBytes === 0 || userBytes > longest) return this.#fail(`a recipient of ${userBytes} bytes`)
    if (dataBytes > this.#maxMessageBytes) return this.#fail(`a message of ${dataBytes} bytes`)
    const senderBytes = this.#originSize(bytes, offset, offset + BYTES.deliver + userBytes)
    return BYTES.deliver + userBytes + senderBytes + dataBytes
  }

  /** Size of the sender's part or, until its length field has arrived, the number of bytes needed to read that. */
  #originSize(bytes: Buffer, offset: number, start: number): number {
    const flags = bytes[offset + 1] as number
    if (!DELIVER_BY_FLAG[flags & WHERE] || (flags & FLAG.INTRODUCES && !(flags & FLAG.AS_SENDER)))
      return this.#fail(`flags ${flags}, which exclude each other`)
    if (!(flags & FLAG.AS_SENDER)) return 0
    if (!(flags & FLAG.INTRODUCES)) return CONNECTION_ID_BYTES
    const at = start + CONNECTION_ID_BYTES
    const known = at + LENGTH_BYTES <= bytes.length
    return CONNECTION_ID_BYTES + LENGTH_BYTES + (known ? bytes.readUInt16BE(at) : 0)
  }

  #read(bytes: Buffer, offset: number, end: number): LinkFrame | undefined {
    switch (bytes[offset]) {
      case TYPE.HELLO:
        return {
          type: 'hello',
          windowBytes: bytes.readUInt32BE(offset + 1),
          maxMessageBytes: bytes.readUInt32BE(offset + 5),
          boot: bytes.subarray(offset + 9, end),
        }
      case TYPE.OUTCOME: {
        const code = bytes[offset + 1] as number
        const outcome = OUTCOMES[code]
        if (outcome) return { type: 'outcome', id: bytes.readUInt32BE(offset + 2), outcome }
        this.#fail(`there is no outcome ${code}`)
        return undefined
      }
      case TYPE.WINDOW:
        return { type: 'window', bytes: bytes.readUInt32BE(offset + 1) }
      case TYPE.HERE:
        return { type: 'here', id: bytes.readUInt32BE(offset + 1), users: bytes.subarray(offset + BYTES.here, end) }
      case TYPE.MOVED: {
        const member = bytes.toString('latin1', offset + BYTES.moved, end)
        return { type: 'moved', id: bytes.readUInt32BE(offset + 1), member: member === '' ? undefined : member }
      }
      case TYPE.BYE:
        return { type: 'bye', count: bytes.readUInt32BE(offset + 1) }
      case TYPE.INTRODUCE:
        return { type: 'introduce', id: bytes.readUInt32BE(offset + 1) }
      case TYPE.END:
        return { type: 'end', connection: bytes.toString('hex', offset + 1, end) }
      default:
        return this.#readDeliver(bytes, offset, end)
    }
  }

  #readDeliver(bytes: Buffer, offset: number, end: number): LinkFrame | undefined {
    const flags = bytes[offset + 1] as number
    const from = offset + BYTES.deliver + bytes.readUInt16BE(offset + 10)
    const field = bytes.subarray(offset + BYTES.deliver, from)
    if (!isUtf8(field)) {
      this.#fail('a recipient that is not UTF-8')
      return undefined
    }
    const { origin, start } = readOrigin(bytes, from, flags)
    const recipient = field.toString('utf8')
    const mark = flags & FLAG.COPY ? recipient.lastIndexOf(SERVED) : -1
    return {
      type: 'deliver',
      id: bytes.readUInt32BE(offset + 2),
      lane: bytes.readUInt32BE(offset + 6),
      user: mark < 0 ? recipient : recipient.slice(0, mark),
      deliver: DELIVER_BY_FLAG[flags & WHERE] ?? 'app',
      start: (flags & FLAG.START) !== 0,
      repeated: (flags & FLAG.REPEATED) !== 0,
      deliveredTo: flags & FLAG.COPY ? readServed(mark < 0 ? '' : recipient.slice(mark + 1)) : undefined,
      origin,
      via: undefined,
      message: { data: bytes.subarray(start, end), binary: (flags & FLAG.BINARY) !== 0 },
    }
  }

  #fail(problem: string): number {
    this.problem = problem
    return 0
  }
}
