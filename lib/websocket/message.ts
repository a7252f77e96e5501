import { isUtf8 } from 'node:buffer'

/** A whole message: its payload, and whether its opcode is binary (2) or text (1), RFC 6455 §5.6. */
export interface Message {
  readonly data: Buffer
  readonly binary: boolean
  /** The message encoded as a server frame, if several connections receive it. */
  readonly frame?: Buffer
  /** The client's name for it, if the client wants a receipt (docs/messages.md, Receipts). */
  readonly id?: string | number | undefined
}

/** Copies a message to memory of its own, so that keeping it does not retain the buffer it arrived in. */
export function detach({ data, binary }: Message): Message {
  // Not from the pool of small buffers, because a slice would retain the whole pool.
  const own = Buffer.allocUnsafeSlow(data.length)
  data.copy(own)
  return { data: own, binary }
}

/** `inbound`: from the client to the app. `outbound`: from the app to the client. */
export type Direction = 'inbound' | 'outbound'

const TEXT = 1
const BINARY = 2

/** Encodes a message as the body of the HTTP transport: one opcode byte, then the payload. */
export function encodeMessage({ data, binary }: Message): Buffer {
  return Buffer.concat([Buffer.of(binary ? BINARY : TEXT), data])
}

/**
 * Decodes a body of the HTTP transport.
 *
 * @returns the message, or a description of the problem
 */
export function decodeMessage(body: Buffer): Message | { problem: string } {
  const [opcode] = body
  if (opcode === undefined) return { problem: 'the body is empty; it starts with one opcode byte' }
  if (opcode !== TEXT && opcode !== BINARY)
    return { problem: `opcode ${opcode}; only 1 (text) and 2 (binary) are messages` }
  const data = body.subarray(1)
  // A text frame that is not UTF-8 would make the recipient close its connection (RFC 6455 §8.1).
  if (opcode === TEXT && !isUtf8(data)) return { problem: 'the payload of a text message is not UTF-8' }
  return { data, binary: opcode === BINARY }
}
