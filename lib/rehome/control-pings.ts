import { randomBytes } from 'node:crypto'

/**
 * What balancer and sidecar tell each other about one connection, in the connection itself, so that it comes at its place in
 * the stream: a ping (RFC 6455 §5.5.2) whose payload begins with a secret that the balancer put into the handshake. Whoever
 * does not know of it answers with a pong like to any ping.
 *
 * `move`: from the balancer; the client is served by another member now, and nothing more of it follows here. `stay`: from the
 * balancer; the other member did not take the client after all, which goes on here. `take`: from the balancer; the client, whose
 * handshake was repeated here, is served here from now on. `drain`: from the sidecar; this client should be moved. `ended`: from the
 * sidecar; the end that follows is the app's own will.
 */
export type ControlPing =
  | { readonly type: 'move'; readonly member: string }
  | { readonly type: 'drain' | 'ended' | 'stay' | 'take' }

/** Bytes of the secret. */
const SECRET_BYTES = 16

/** Largest payload of a ping. */
const MAX_PAYLOAD_BYTES = 125

const TYPES = { move: 1, drain: 2, ended: 3, stay: 4, take: 5 } as const

/** A secret for the control pings of one process. */
export const controlSecret = (): Buffer => randomBytes(SECRET_BYTES)

/** The secret as a header's value. */
export const formatSecret = (secret: Buffer): string => secret.toString('base64url')

/** @returns `undefined` for what is no secret */
export function parseSecret(text: string | undefined): Buffer | undefined {
  const secret = Buffer.from(text ?? '', 'base64url')
  return secret.length === SECRET_BYTES ? secret : undefined
}

/** The payload of a control ping. The name of a member that does not fit is left out. */
export function encodeControlPing(secret: Buffer, control: ControlPing): Buffer {
  const name = Buffer.from(control.type === 'move' ? control.member : '')
  const fits = SECRET_BYTES + 1 + name.length <= MAX_PAYLOAD_BYTES
  return Buffer.concat([secret, Buffer.of(TYPES[control.type]), ...(fits ? [name] : [])])
}

/** @returns `undefined` for a control of a later version */
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
