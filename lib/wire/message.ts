import { isUtf8 } from 'node:buffer'

/** A whole message: its payload and whether its opcode is binary (2) or text (1), RFC 6455 §5.6. */
export interface Message {
  readonly data: Buffer
  readonly binary: boolean
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

/** Finds the recipient of addressed messages. */
export type RecipientFinder = (message: Message) => string | undefined

/**
 * Makes the function that tells an addressed message: a text message that is a JSON object with a non-empty string in `field`.
 * It parses a message only where the field's name occurs in it, and never throws.
 */
export function recipientFinder(field: string): RecipientFinder {
  const needle = Buffer.from(JSON.stringify(field))
  return ({ data, binary }) => {
    // Bytes that are no text are the app's to refuse, whatever could be read in them.
    if (binary || !data.includes(needle) || !isUtf8(data)) return undefined
    try {
      const value: unknown = JSON.parse(data.toString('utf8'))
      if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, field))
        return undefined
      const recipient = (value as Record<string, unknown>)[field]
      return typeof recipient === 'string' && recipient !== '' ? recipient : undefined
    } catch {
      return undefined
    }
  }
}
