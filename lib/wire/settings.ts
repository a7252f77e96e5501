import { Type } from 'typebox'

/** Limits of what goes over a socket; balancer and sidecar have the same. */
export const wireSettings = {
  HANDSHAKE_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description: 'Longest time the upstream may take to answer a handshake; then the client gets 504.',
  }),
  MAX_PAYLOAD_BYTES: Type.Integer({
    minimum: 1,
    maximum: 1_073_741_824,
    default: 16_777_216,
    description: 'Largest message in either direction; a larger one closes the connection with 1009.',
  }),
  MAX_QUEUE_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 1_073_741_824,
    default: 1_048_576,
    description: 'Bytes that may wait for a slow reader on one connection before the fast side is no longer read.',
  }),
}
