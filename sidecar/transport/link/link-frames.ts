import { CONNECTION_ID_BYTES } from '../../../lib/routing/connection-id.ts'
import { MAX_KEY_BYTES } from '../../../lib/routing/key/routing-key.ts'
import { OUTCOMES, type Outcome } from '../outcome.ts'
import type { IncomingMessage, Origin, RoutedMessage } from '../transport.ts'

/**
 * The frames of a link (docs/wire-format.md). They form a byte stream, independent of WebSocket message boundaries;
 * numbers are big-endian.
 */
export type LinkFrame =
  | { readonly type: 'hello'; readonly windowBytes: number; readonly maxMessageBytes: number; readonly boot: Buffer }
  | (IncomingMessage & { readonly type: 'deliver'; via: string | undefined })
  | { readonly type: 'outcome'; readonly id: number; readonly outcome: Outcome }
  | { readonly type: 'window'; readonly bytes: number }
  | { readonly type: 'here'; readonly id: number; readonly users: Buffer }
  | { readonly type: 'moved'; readonly id: number; readonly member: string | undefined }
  | { readonly type: 'bye'; readonly count: number }
  | { readonly type: 'introduce'; readonly id: number }
  | { readonly type: 'end'; readonly connection: string }

/** Version of the frames. Version 1 lacks the deliveries `sender` and `reply`, and the introduce and end frames. */
export const LINK_VERSION = 2

/** The first link version that can encode this kind of delivery. */
export const versionOf = ({ deliver, origin }: Pick<RoutedMessage, 'deliver' | 'origin'>): number =>
  origin || deliver === 'sender' || deliver === 'reply' ? 2 : 1

/** The first byte of each frame. */
export const TYPE = {
  HELLO: 0,
  DELIVER: 1,
  OUTCOME: 2,
  WINDOW: 3,
  HERE: 4,
  MOVED: 5,
  BYE: 6,
  INTRODUCE: 7,
  END: 8,
} as const

/** Sizes of the frames' fixed parts. */
export const BYTES = {
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

/** Size of the smallest deliver frame: a recipient of one byte, and no payload. */
export const SMALLEST_DELIVER_BYTES = BYTES.deliver + 1

/** Longest member name: a DNS name of 253 characters, a colon and a port. */
export const MAX_MEMBER_BYTES = 259

/** Bits of a deliver frame's flags. */
export const FLAG = {
  BINARY: 1,
  TO_CLIENT: 2,
  START: 4,
  REPEATED: 8,
  COPY: 16,
  AS_SENDER: 32,
  INTRODUCES: 64,
  REPLY: 128,
} as const

/** Longest handshake in a deliver frame: its length field has 16 bits. */
export const MAX_INTRODUCTION_BYTES = 65_535

/** Size of a handshake's length field. */
export const LENGTH_BYTES = 2

/** Largest WebSocket message on a link, in bytes: longer data is split. */
export const MAX_BATCH_BYTES = 262_144

/** Maximum number of connections named by a copy, and the longest connection key. */
export const MAX_SERVED = 32
export const MAX_CONNECTION_KEY_BYTES = 64

/** Separates a copy's recipient from the keys of the connections that have the message; no key contains it. */
export const SERVED = '\0'

/** Longest recipient field of a copy. */
export const MAX_RECIPIENT_BYTES = MAX_KEY_BYTES + 1 + MAX_SERVED * (MAX_CONNECTION_KEY_BYTES + 1)

/** The recipient field of a deliver frame. */
const recipientOf = ({ user, deliveredTo }: Pick<RoutedMessage, 'user' | 'deliveredTo'>): string =>
  deliveredTo ? `${user}${SERVED}${deliveredTo.join(',')}` : user

/** Parses a list of connection keys; invalid keys are left out. */
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
export function deliverBytes(routed: Pick<RoutedMessage, 'user' | 'deliveredTo' | 'message' | 'origin'>): number {
  return (
    BYTES.deliver + Buffer.byteLength(recipientOf(routed)) + originBytes(routed.origin) + routed.message.data.length
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

/** Sizes of frames that are written together into one buffer. */
export const ANSWER_BYTES: Readonly<Record<'outcome' | 'window' | 'bye' | 'introduce', number>> = BYTES

/** Size of an end frame. */
export const END_BYTES = BYTES.end

/** Writes a deliver frame; returns its end offset. */
export function writeDeliver(to: Buffer, offset: number, id: number, routed: RoutedMessage, repeated: boolean): number {
  const { data, binary } = routed.message
  const userBytes = to.write(recipientOf(routed), offset + BYTES.deliver, 'utf8')
  to[offset] = TYPE.DELIVER
  to[offset + 1] =
    (binary ? FLAG.BINARY : 0) |
    (routed.deliver === 'client' ? FLAG.TO_CLIENT : 0) |
    (routed.start ? FLAG.START : 0) |
    (repeated ? FLAG.REPEATED : 0) |
    (routed.deliveredTo ? FLAG.COPY : 0) |
    (routed.deliver === 'reply' ? FLAG.REPLY : 0) |
    (routed.origin ? FLAG.AS_SENDER : 0) |
    (routed.origin?.handshake ? FLAG.INTRODUCES : 0)
  to.writeUInt32BE(id, offset + 2)
  to.writeUInt32BE(routed.lane, offset + 6)
  to.writeUInt16BE(userBytes, offset + 10)
  to.writeUInt32BE(data.length, offset + 12)
  const start = writeOrigin(to, offset + BYTES.deliver + userBytes, routed.origin)
  return start + data.copy(to, start)
}

function writeOrigin(to: Buffer, offset: number, origin: Origin | undefined): number {
  if (!origin) return offset
  const end = offset + to.write(origin.id, offset, CONNECTION_ID_BYTES, 'hex')
  if (!origin.handshake) return end
  to.writeUInt16BE(origin.handshake.length, end)
  return end + LENGTH_BYTES + origin.handshake.copy(to, end + LENGTH_BYTES)
}

/** Writes an introduce frame; returns its end offset. */
export function writeIntroduce(to: Buffer, offset: number, id: number): number {
  to[offset] = TYPE.INTRODUCE
  return to.writeUInt32BE(id, offset + 1)
}

/** Writes an end frame; returns its end offset. */
export function writeEnd(to: Buffer, offset: number, connection: string): number {
  to[offset] = TYPE.END
  return offset + 1 + to.write(connection, offset + 1, CONNECTION_ID_BYTES, 'hex')
}

/** Writes a here frame; returns its end offset. */
export function writeHere(to: Buffer, offset: number, id: number, users: Buffer): number {
  to[offset] = TYPE.HERE
  to.writeUInt32BE(id, offset + 1)
  to.writeUInt32BE(users.length, offset + 5)
  return offset + BYTES.here + users.copy(to, offset + BYTES.here)
}

/** Writes an outcome frame; returns its end offset. */
export function writeOutcome(to: Buffer, offset: number, id: number, outcome: Outcome): number {
  to[offset] = TYPE.OUTCOME
  to[offset + 1] = OUTCOMES.indexOf(outcome)
  return to.writeUInt32BE(id, offset + 2)
}

/** Writes a moved frame; returns its end offset. */
export function writeMoved(to: Buffer, offset: number, id: number, member: string | undefined): number {
  to[offset] = TYPE.MOVED
  to.writeUInt32BE(id, offset + 1)
  const bytes = member === undefined ? 0 : to.write(member, offset + BYTES.moved, 'latin1')
  to.writeUInt16BE(bytes, offset + 5)
  return offset + BYTES.moved + bytes
}

/** Writes a window frame; returns its end offset. */
export function writeWindow(to: Buffer, offset: number, bytes: number): number {
  to[offset] = TYPE.WINDOW
  return to.writeUInt32BE(bytes, offset + 1)
}

/** Writes a bye frame; returns its end offset. */
export function writeBye(to: Buffer, offset: number, count: number): number {
  to[offset] = TYPE.BYE
  // A long-lived link carries more messages than 32 bits can count; the count is modulo 2³².
  return to.writeUInt32BE(count >>> 0, offset + 1)
}

export function encodeHello(windowBytes: number, maxMessageBytes: number, boot: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(BYTES.hello)
  frame[0] = TYPE.HELLO
  frame.writeUInt32BE(windowBytes, 1)
  frame.writeUInt32BE(maxMessageBytes, 5)
  boot.copy(frame, 9, 0, BOOT_BYTES)
  return frame
}
