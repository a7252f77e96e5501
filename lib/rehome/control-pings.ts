import { randomBytes } from 'node:crypto'

/**
 * A control message of balancer and sidecar about one connection. It travels inside the connection to keep its place in
 * the stream: a ping (RFC 6455 §5.5.2) whose payload begins with a secret from the balancer's handshake. Other
 * endpoints answer it with a pong, like any ping.
 *
 * `move`: from the balancer; another member now serves the client, and no more of it follows here. `stay`: from the
 * balancer; the other member did not take the client, which continues here. `take`: from the balancer; the client whose
 * handshake was repeated here is served here from now on. `drain`: from the sidecar; this client should be moved.
 * `ended`: from the sidecar; the app itself ends the connection.
 */
export type ControlPing =
  | { readonly type: 'move'; readonly member: string }
  | { readonly type: 'drain' | 'ended' | 'stay' | 'take' }

/** Bytes of the secret. */
const SECRET_BYTES = 16

/** The secret as text: exactly as many base64url characters as it takes. */
const SECRET_TEXT = /^[\w-]{22}$/

/** Largest payload of a ping. */
const MAX_PAYLOAD_BYTES = 125

const TYPES = { move: 1, drain: 2, ended: 3, stay: 4, take: 5 } as const

/** Creates the secret for the control pings of one process. */
export const controlSecret = (): Buffer => randomBytes(SECRET_BYTES)

/** Formats the secret as a header value. */
export const formatSecret = (secret: Buffer): string => secret.toString('base64url')

/** @returns `undefined` if the text is not a secret */
export function parseSecret(text: string | undefined): Buffer | undefined {
  // Buffer ignores characters that are not base64url, and all that follow.
  if (text === undefined || !SECRET_TEXT.test(text)) return undefined
  return Buffer.from(text, 'base64url')
}

/** Encodes the payload of a control ping. A member name that does not fit is omitted. */
export function encodeControlPing(secret: Buffer, control: ControlPing): Buffer {
  const name = Buffer.from(control.type === 'move' ? control.member : '')
  const fits = SECRET_BYTES + 1 + name.length <= MAX_PAYLOAD_BYTES
  return Buffer.concat([secret, Buffer.of(TYPES[control.type]), ...(fits ? [name] : [])])
}

/** @returns `undefined` for a control ping of a later version */
export function decodeControlPing(payload: Buffer): ControlPing | undefined {
  switch (payload[SECRET_BYTES]) {
    case TYPES.move:
      return { type: 'move', member: payload.toString('utf8', SECRET_BYTES + 1) }
    case TYPES.drain:
      return { type: 'drain' }
    case TYPES.ended:
      return { type: 'ended' }
    case TYPES.stay:
      return { type: 'stay' }
    case TYPES.take:
      return { type: 'take' }
    default:
      return undefined
  }
}
