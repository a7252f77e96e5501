import { isUtf8 } from 'node:buffer'
import { MAX_KEY_BYTES } from '../../routing/routing-key.ts'
import { type Deliver, OUTCOMES, type Outcome } from '../outcome.ts'
import { MAX_ANNOUNCEMENT_BYTES } from './announcement.ts'
import { type Arrival, CONNECTION_ID_BYTES, type Letter, type Origin } from './transport.ts'

/**
 * The frames of a link (docs/protocol.md). They are a stream of bytes, whatever WebSocket messages it is cut into; numbers are
 * big-endian.
 */
export type LinkFrame =
  | { readonly type: 'hello'; readonly windowBytes: number; readonly maxMessageBytes: number; readonly boot: Buffer }
  | (Arrival & { readonly type: 'deliver'; via: string | undefined })
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: Outcome }
  | { readonly type: 'window'; readonly bytes: number }
  | { readonly type: 'here'; readonly id: number; readonly users: Buffer }
  | { readonly type: 'moved'; readonly id: number; readonly member: string | undefined }
  | { readonly type: 'bye'; readonly count: number }
  | { readonly type: 'introduce'; readonly id: number }
  | { readonly type: 'end'; readonly connection: string }

const HELLO = 0
const DELIVER = 1
const OUTCOME = 2
const WINDOW = 3
const HERE = 4
const MOVED = 5
const BYE = 6
const INTRODUCE = 7
const END = 8

const BYTES = {
  hello: 25,
  deliver: 16,
  outcome: 6,
  window: 5,
  here: 9,
  moved: 7,
  bye: 5,
  introduce: 5,
  end: 17,
} as const

export const BOOT_BYTES = 16

/** Of the smallest deliver frame: a recipient of one byte, and no payload. */
export const SMALLEST_DELIVER_BYTES = BYTES.deliver + 1

/** Longest name of a member: a DNS name of 253 characters, a colon and a port. */
const MAX_MEMBER_BYTES = 259

/** Bits of a deliver frame's flags. */
const BINARY = 1
const TO_CLIENT = 2
const START = 4
const REPEATED = 8
const COPY = 16
const AS_SENDER = 32
const INTRODUCES = 64
const REPLY = 128

/** Longest handshake in a deliver frame: its length is a number of 16 bits. */
export const MAX_INTRODUCTION_BYTES = 65_535

/** Of the length of a handshake. */
const LENGTH_BYTES = 2

/** Largest WebSocket message on a link, in bytes: what is longer goes as several. */
export const MAX_BATCH_BYTES = 262_144

/** Most connections that a copy names, and the longest key of one. */
export const MAX_SERVED = 32
export const MAX_CONNECTION_KEY_BYTES = 64

/** In a copy, the recipient is followed by this and the keys of the connections that have the message, which do not have it in them. */
const SERVED = '\0'

/** Longest recipient field of a copy. */
export const MAX_RECIPIENT_BYTES = MAX_KEY_BYTES + 1 + MAX_SERVED * (MAX_CONNECTION_KEY_BYTES + 1)

/** The recipient field of a deliver frame. */
const recipientOf = ({ user, served }: Pick<Letter, 'user' | 'served'>): string =>
  served ? `${user}${SERVED}${served.join(',')}` : user

/** The keys in a list of them; what cannot be one is left out. */
export const readServed = (text: string): string[] =>
  text
    .split(',')
    .filter(key => key !== '' && key.length <= MAX_CONNECTION_KEY_BYTES)
    .slice(0, MAX_SERVED)

const originBytes = (origin: Origin | undefined): number => {
  if (!origin) return 0
  return CONNECTION_ID_BYTES + (origin.handshake ? LENGTH_BYTES + origin.handshake.length : 0)
}

/** Size of a deliver frame. */
export function deliverBytes(letter: Pick<Letter, 'user' | 'served' | 'message' | 'origin'>): number {
  return (
    BYTES.deliver + Buffer.byteLength(recipientOf(letter)) + originBytes(letter.origin) + letter.message.data.length
  )
}

/** Size of a here frame. */
export function hereBytes(users: Buffer): number {
  return BYTES.here + users.length
}

/** Size of a moved frame. */
export function movedBytes(member: string | undefined): number {
  return BYTES.moved + (member?.length ?? 0)
}

/** Bytes that several frames need in one buffer. */
export const ANSWER_BYTES: Readonly<Record<'outcome' | 'window' | 'bye' | 'introduce', number>> = BYTES

/** Of an end frame. */
export const END_BYTES = BYTES.end

/** Writes a deliver frame; returns where it ends. */
export function writeDeliver(to: Buffer, offset: number, id: number, letter: Letter, repeated: boolean): number {
  const { data, binary } = letter.message
  const userBytes = to.write(recipientOf(letter), offset + BYTES.deliver, 'utf8')
  to[offset] = DELIVER
  to[offset + 1] =
    (binary ? BINARY : 0) |
    (letter.deliver === 'client' ? TO_CLIENT : 0) |
    (letter.start ? START : 0) |
    (repeated ? REPEATED : 0) |
    (letter.served ? COPY : 0) |
    (letter.deliver === 'reply' ? REPLY : 0) |
    (letter.origin ? AS_SENDER : 0) |
    (letter.origin?.handshake ? INTRODUCES : 0)
  to.writeUInt32BE(id, offset + 2)
  to.writeUInt32BE(letter.lane, offset + 6)
  to.writeUInt16BE(userBytes, offset + 10)
  to.writeUInt32BE(data.length, offset + 12)
  const start = writeOrigin(to, offset + BYTES.deliver + userBytes, letter.origin)
  return start + data.copy(to, start)
}

function writeOrigin(to: Buffer, offset: number, origin: Origin | undefined): number {
  if (!origin) return offset
  const end = offset + to.write(origin.id, offset, CONNECTION_ID_BYTES, 'hex')
  if (!origin.handshake) return end
  to.writeUInt16BE(origin.handshake.length, end)
  return end + LENGTH_BYTES + origin.handshake.copy(to, end + LENGTH_BYTES)
}

/** Writes an introduce frame; returns where it ends. */
export function writeIntroduce(to: Buffer, offset: number, id: number): number {
  to[offset] = INTRODUCE
  return to.writeUInt32BE(id, offset + 1)
}

/** Writes an end frame; returns where it ends. */
export function writeEnd(to: Buffer, offset: number, connection: string): number {
  to[offset] = END
  return offset + 1 + to.write(connection, offset + 1, CONNECTION_ID_BYTES, 'hex')
}

/** Writes a here frame; returns where it ends. */
export function writeHere(to: Buffer, offset: number, id: number, users: Buffer): number {
  to[offset] = HERE
  to.writeUInt32BE(id, offset + 1)
  to.writeUInt32BE(users.length, offset + 5)
  return offset + BYTES.here + users.copy(to, offset + BYTES.here)
}

/** Writes an outcome frame; returns where it ends. */
export function writeOutcome(to: Buffer, offset: number, id: number, outcome: Outcome): number {
  to[offset] = OUTCOME
  to[offset + 1] = OUTCOMES.indexOf(outcome)
  return to.writeUInt32BE(id, offset + 2)
}

/** Writes a moved frame; returns where it ends. */
export function writeMoved(to: Buffer, offset: number, id: number, member: string | undefined): number {
  to[offset] = MOVED
  to.writeUInt32BE(id, offset + 1)
  const bytes = member === undefined ? 0 : to.write(member, offset + BYTES.moved, 'latin1')
  to.writeUInt16BE(bytes, offset + 5)
  return offset + BYTES.moved + bytes
}

/** Writes a window frame; returns where it ends. */
export function writeWindow(to: Buffer, offset: number, bytes: number): number {
  to[offset] = WINDOW
  return to.writeUInt32BE(bytes, offset + 1)
}

/** Writes a bye frame; returns where it ends. */
export function writeBye(to: Buffer, offset: number, count: number): number {
  to[offset] = BYE
  // A link that lives for long carries more than a number of 32 bits can count; it counts on modulo 2³².
  return to.writeUInt32BE(count >>> 0, offset + 1)
}

export function encodeHello(windowBytes: number, maxMessageBytes: number, boot: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(BYTES.hello)
  frame[0] = HELLO
  frame.writeUInt32BE(windowBytes, 1)
  frame.writeUInt32BE(maxMessageBytes, 5)
  boot.copy(frame, 9, 0, BOOT_BYTES)
  return frame
}

const WHERE = TO_CLIENT | AS_SENDER | REPLY
const DELIVER_BY_FLAG: Readonly<Record<number, Deliver>> = {
  0: 'app',
  [TO_CLIENT]: 'client',
  [AS_SENDER]: 'sender',
  [REPLY]: 'reply',
}

/** Whose message it is, and where the payload begins. The handshake is a part of the frame. */
function readOrigin(bytes: Buffer, from: number, flags: number): { origin: Origin | undefined; start: number } {
  if (!(flags & AS_SENDER)) return { origin: undefined, start: from }
  const end = from + CONNECTION_ID_BYTES
  const id = bytes.toString('hex', from, end)
  if (!(flags & INTRODUCES)) return { origin: { id, handshake: undefined }, start: end }
  const begin = end + LENGTH_BYTES
  const start = begin + bytes.readUInt16BE(end)
  return { origin: { id, handshake: bytes.subarray(begin, start) }, start }
}

const EMPTY = Buffer.alloc(0)

/** What a piece of a frame costs beyond its bytes, so that a frame that comes byte by byte is not cheap. */
const PIECE_OVERHEAD_BYTES = 200

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

  /** Memory that a frame takes that is not complete. */
  get heldBytes(): number {
    return this.#have + this.#pieces.length * PIECE_OVERHEAD_BYTES
  }

  /** Forgets a frame that is not complete. Nothing is read any more. */
  stop(): void {
    this.problem ??= 'stopped'
    this.#pieces = []
    this.#have = 0
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
    switch (bytes[offset]) {
      case DELIVER:
        return available < BYTES.deliver ? BYTES.deliver : this.#deliverSize(bytes, offset)
      case HELLO:
        return BYTES.hello
      case OUTCOME:
        return BYTES.outcome
      case WINDOW:
        return BYTES.window
      case BYE:
        return BYTES.bye
      case INTRODUCE:
        return BYTES.introduce
      case END:
        return BYTES.end
      case HERE: {
        if (available < BYTES.here) return BYTES.here
        const length = bytes.readUInt32BE(offset + 5)
        return length > MAX_ANNOUNCEMENT_BYTES ? this.#fail(`an announcement of ${length} bytes`) : BYTES.here + length
      }
      case MOVED: {
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
    const longest = (bytes[offset + 1] as number) & COPY ? MAX_RECIPIENT_BYTES : MAX_KEY_BYTES
    if (userBytes === 0 || userBytes > longest) return this.#fail(`a recipient of ${userBytes} bytes`)
    if (dataBytes > this.#maxMessageBytes) return this.#fail(`a message of ${dataBytes} bytes`)
    const senderBytes = this.#originSize(bytes, offset, offset + BYTES.deliver + userBytes)
    return BYTES.deliver + userBytes + senderBytes + dataBytes
  }

  /** Of what says whose message it is; as long as its length is not here, of what is needed to know it. */
  #originSize(bytes: Buffer, offset: number, start: number): number {
    const flags = bytes[offset + 1] as number
    if (!DELIVER_BY_FLAG[flags & WHERE] || (flags & INTRODUCES && !(flags & AS_SENDER)))
      return this.#fail(`flags ${flags}, which exclude each other`)
    if (!(flags & AS_SENDER)) return 0
    if (!(flags & INTRODUCES)) return CONNECTION_ID_BYTES
    const at = start + CONNECTION_ID_BYTES
    const known = at + LENGTH_BYTES <= bytes.length
    return CONNECTION_ID_BYTES + LENGTH_BYTES + (known ? bytes.readUInt16BE(at) : 0)
  }

  #read(bytes: Buffer, offset: number, end: number): LinkFrame | undefined {
    switch (bytes[offset]) {
      case HELLO:
        return {
          type: 'hello',
          windowBytes: bytes.readUInt32BE(offset + 1),
          maxMessageBytes: bytes.readUInt32BE(offset + 5),
          boot: bytes.subarray(offset + 9, end),
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
      case HERE:
        return { type: 'here', id: bytes.readUInt32BE(offset + 1), users: bytes.subarray(offset + BYTES.here, end) }
      case MOVED: {
        const member = bytes.toString('latin1', offset + BYTES.moved, end)
        return { type: 'moved', id: bytes.readUInt32BE(offset + 1), member: member === '' ? undefined : member }
      }
      case BYE:
        return { type: 'bye', count: bytes.readUInt32BE(offset + 1) }
      case INTRODUCE:
        return { type: 'introduce', id: bytes.readUInt32BE(offset + 1) }
      case END:
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
    const mark = flags & COPY ? recipient.lastIndexOf(SERVED) : -1
    return {
      type: 'deliver',
      id: bytes.readUInt32BE(offset + 2),
      lane: bytes.readUInt32BE(offset + 6),
      user: mark < 0 ? recipient : recipient.slice(0, mark),
      deliver: DELIVER_BY_FLAG[flags & WHERE] ?? 'app',
      start: (flags & START) !== 0,
      repeated: (flags & REPEATED) !== 0,
      served: flags & COPY ? readServed(mark < 0 ? '' : recipient.slice(mark + 1)) : undefined,
      origin,
      via: undefined,
      message: { data: bytes.subarray(start, end), binary: (flags & BINARY) !== 0 },
    }
  }

  #fail(problem: string): number {
    this.problem = problem
    return 0
  }
}
