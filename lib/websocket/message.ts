import { isUtf8 } from 'node:buffer'

/** A whole message: its payload and whether its opcode is binary (2) or text (1), RFC 6455 §5.6. */
export interface Message {
  readonly data: Buffer
  readonly binary: boolean
  /** Its frame as a server writes it, where several connections get the same. */
  readonly frame?: Buffer
  /** What a client calls it, where it is told what became of it (docs/messages.md, Receipts). */
  readonly id?: string | number | undefined
}

/** The same message in memory of its own: one that is kept must not keep all that came with it. */
export function detach({ data, binary }: Message): Message {
  // Not from the pool that small buffers share: one would keep all of that.
  const own = Buffer.allocUnsafeSlow(data.length)
  data.copy(own)
  return { data: own, binary }
}

/** From the client to the app, or from the app to the client. */
export type Direction = 'inbound' | 'outbound'

const TEXT = 1
const BINARY = 2

/** A message as the body of the HTTP transport: one opcode byte, then the payload. */
export function encodeMessage({ data, binary }: Message): Buffer {
  return Buffer.concat([Buffer.of(binary ? BINARY : TEXT), data])
}

/**
 * Reads a body of the HTTP transport.
 *
 * @returns the message, or what is wrong with the body
 */
export function decodeMessage(body: Buffer): Message | { problem: string } {
  const [opcode] = body
  if (opcode === undefined) return { problem: 'the body is empty; it starts with one opcode byte' }
  if (opcode !== TEXT && opcode !== BINARY)
    return { problem: `opcode ${opcode}; only 1 (text) and 2 (binary) are messages` }
  const data = body.subarray(1)
  // A text frame with other bytes would make the recipient close its connection (RFC 6455 §8.1).
  if (opcode === TEXT && !isUtf8(data)) return { problem: 'the payload of a text message is not UTF-8' }
  return { data, binary: opcode === BINARY }
}
