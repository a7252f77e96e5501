import { tuning } from './annotation.ts'

/** Limits and times that both programs have: one annotation sets them alike. */
const BOTH = {
  'max-header-bytes': tuning({ sidecar: 'MAX_HEADER_BYTES', field: 'limits.maxHeaderBytes' }),
  'max-payload-bytes': tuning({ sidecar: 'MAX_PAYLOAD_BYTES', field: 'limits.maxPayloadBytes' }),
  'max-queue-bytes': tuning({ sidecar: 'MAX_QUEUE_BYTES', field: 'limits.maxQueueBytes' }),
  'min-body-bytes-per-second': tuning({
    sidecar: 'MIN_BODY_BYTES_PER_SECOND',
    field: 'limits.minBodyBytesPerSecond',
  }),
  'handshake-timeout-ms': tuning({ sidecar: 'HANDSHAKE_TIMEOUT_MS', field: 'timeouts.handshakeMs' }),
  'plain-http-timeout-ms': tuning({ sidecar: 'PLAIN_HTTP_TIMEOUT_MS', field: 'timeouts.plainHttpMs' }),
  'slow-consumer-seconds': tuning({ sidecar: 'SLOW_CONSUMER_SECONDS', field: 'timeouts.slowConsumerSeconds' }),
  'plain-http': tuning({ sidecar: 'PLAIN_HTTP', field: 'plainHttp' }),
  'on-missing-key': tuning({ sidecar: 'ON_MISSING_KEY', field: 'routing.onMissing' }),
} as const

/** What a balancer does for clients. */
const BALANCER = {
  'client-ping-seconds': tuning({ field: 'keepAlive.clientPingSeconds' }),
  'client-idle-seconds': tuning({ field: 'keepAlive.clientIdleSeconds' }),
  'rehome-timeout-ms': tuning({ field: 'timeouts.rehomeMs' }),
  'rehome-linger-ms': tuning({ field: 'timeouts.rehomeLingerMs' }),
} as const

/** What a sidecar does for its app and its pod. */
const SIDECAR = {
  'app-ping-seconds': tuning(
    { sidecar: 'UPSTREAM_PING_SECONDS' },
    'Idle time after which the app gets a ping on a connection. 0: off.',
  ),
  'app-idle-seconds': tuning(
    { sidecar: 'UPSTREAM_IDLE_SECONDS' },
    'Idle time of the app on a connection, without even a pong, after which its client is closed with 1001. 0: off.',
  ),
  'max-addressed-bytes': tuning({ sidecar: 'MAX_ADDRESSED_BYTES' }),
  'slow-message-seconds': tuning({ sidecar: 'SLOW_MESSAGE_SECONDS' }),
  'deliver-timeout-ms': tuning({ sidecar: 'DELIVER_TIMEOUT_MS' }),
  'recipient-wait-ms': tuning({ sidecar: 'RECIPIENT_WAIT_MS' }),
  'sidecar-max-connections': tuning(
    { sidecar: 'MAX_CONNECTIONS' },
    'Maximum number of connections of one pod; further handshakes get 503. 0, and the upper bound: what the limit of open files allows.',
  ),
  'sidecar-max-plain-connections': tuning({ sidecar: 'MAX_PLAIN_CONNECTIONS' }),
  'sidecar-client-ping-seconds': tuning(
    { sidecar: 'CLIENT_PING_SECONDS' },
    'As `client-ping-seconds`, but done by the sidecar, for clients that connect without a balancer.',
  ),
  'sidecar-client-idle-seconds': tuning(
    { sidecar: 'CLIENT_IDLE_SECONDS' },
    'As `client-idle-seconds`, but done by the sidecar, for clients that connect without a balancer.',
  ),
} as const

/** Annotations whose bounds, defaults and texts come from the programs: limits, times and keep-alive. */
export const TUNING = { ...BOTH, ...BALANCER, ...SIDECAR } as const

/** Those that change nothing in the sidecar. */
export const BALANCER_TUNING = Object.keys(BALANCER) as readonly (keyof typeof BALANCER)[]

/** Pairs of ping and idle times, each pair read by one program. */
export const PING_AND_IDLE = [
  ['client-ping-seconds', 'client-idle-seconds'],
  ['app-ping-seconds', 'app-idle-seconds'],
  ['sidecar-client-ping-seconds', 'sidecar-client-idle-seconds'],
] as const satisfies readonly (readonly [keyof typeof TUNING, keyof typeof TUNING])[]
