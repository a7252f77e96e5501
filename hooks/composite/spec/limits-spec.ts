import { Type } from 'typebox'

/** Largest message that the sidecars let through; a balancer that let more through would help nobody. */
const SIDECAR_MAX_PAYLOAD_BYTES = 16_777_216

export const limits = Type.Object(
  {
    maxConnections: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description:
          'Most connections of one process of a pod; further handshakes get 503. As many as its limit of open files allows if absent. A pod has a process for each core that it may use and has 192 MiB of memory for.',
      }),
    ),
    maxPayloadBytes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: SIDECAR_MAX_PAYLOAD_BYTES,
        description: `Largest message in either direction; a larger one closes the connection with 1009. ${SIDECAR_MAX_PAYLOAD_BYTES} if absent, which is also what the sidecars allow.`,
      }),
    ),
  },
  { description: 'What the balancer refuses.' },
)
