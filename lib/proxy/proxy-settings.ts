import { totalmem } from 'node:os'
import { Type } from 'typebox'
import type { DialLimits } from '../bridge/socket/dial.ts'
import { budgetBytes } from '../service/memory/policy.ts'
import { ENV_PREFIX } from '../service/names.ts'
import { openFilesLimit } from '../service/open-files.ts'

/** A time limit in seconds; 0 switches it off. */
const seconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 0, maximum: 86_400, default: fallback, description: `${description} 0: off.` })

/** Policies for requests that are not WebSocket handshakes. */
export const PLAIN_HTTP_POLICIES = ['pass', 'refuse'] as const

/** Limits common to balancer and sidecar. */
const limits = {
  HANDSHAKE_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 600_000,
    default: 10_000,
    description:
      'Maximum time for a client to send its handshake (otherwise 408), and for the upstream to answer it (otherwise 504).',
  }),
  MAX_HEADER_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 1_048_576,
    default: 16_384,
    description:
      'Maximum size of a head, all headers together; a request above it gets 431, an answer above it becomes a 502.',
  }),
  MAX_PAYLOAD_BYTES: Type.Integer({
    minimum: 1,
    maximum: 1_073_741_824,
    default: 16_777_216,
    description: 'Maximum size of a message in either direction; a larger one closes the connection with 1009.',
  }),
  MAX_QUEUE_BYTES: Type.Integer({
    minimum: 1024,
    maximum: 1_073_741_824,
    default: 262_144,
    description:
      "Bytes that may wait for a slow reader on one connection before reading from the fast side stops; fewer while memory is short. In a balancer also the maximum size of an app's message that passes only whole, so that killing the pod within it disconnects no client.",
  }),
  MEMORY_BUDGET_BYTES: Type.Integer({
    minimum: 0,
    maximum: 1_099_511_627_776,
    default: 0,
    description:
      'Memory for all connections, queues and messages of this process together. Near the limit, each connection may queue less; at the limit, the connections that hold most are closed with 1013. 0: derived from the memory limit of the container.',
  }),
  SLOW_CONSUMER_SECONDS: seconds(
    60,
    'Maximum time for which a queue may stay full before the connection is closed with 1013.',
  ),
  MAX_PLAIN_CONNECTIONS: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 0,
    description:
      'Maximum number of connections of this process without a WebSocket; above it, the oldest idle ones are closed, and further requests get 503. 0, and the upper bound: half of the connections that the limit of open files allows, or fewer if memory is limited.',
  }),
  MIN_BODY_BYTES_PER_SECOND: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 100,
    description:
      'Minimum rate of the body of a plain request, averaged over the time in which its upstream must send something; a slower body gets 408. 0: off.',
  }),
  MAX_CONNECTIONS: Type.Integer({
    minimum: 0,
    maximum: 1_000_000,
    default: 0,
    description:
      'Maximum number of connections of this process; further handshakes get 503. 0, and the upper bound: what the limit of open files allows.',
  }),
}

/**
 * The settings of a program for its limits.
 *
 * @param client defaults for idle clients; a sidecar's client is the balancer
 */
export const wireSettings = (client: { pingSeconds: number; idleSeconds: number }) => ({
  ...limits,
  PLAIN_HTTP: Type.Enum(PLAIN_HTTP_POLICIES, {
    default: 'pass',
    description:
      "Requests other than WebSocket handshakes: pass them to the user's pod as well, or refuse them with 426.",
  }),
  EXPOSE_TOPOLOGY: Type.Boolean({
    default: false,
    description:
      'Whether answers tell clients about pods and addresses: the headers x-ws-operator-instance, -proxy-instance and -upstream-host on every answer, and the details of a 502, 503 or 504. Otherwise only the log has them.',
  }),
  PLAIN_HTTP_TIMEOUT_MS: Type.Integer({
    minimum: 1,
    maximum: 3_600_000,
    default: 60_000,
    description: 'Maximum time without a byte from the upstream of a plain request; after it, the answer is 504.',
  }),
  CLIENT_PING_SECONDS: seconds(client.pingSeconds, 'Idle time after which a client gets a ping.'),
  CLIENT_IDLE_SECONDS: seconds(
    client.idleSeconds,
    'Idle time, without even a pong, after which a client is closed with 1001.',
  ),
  UPSTREAM_PING_SECONDS: seconds(0, 'Idle time after which an upstream gets a ping.'),
  UPSTREAM_IDLE_SECONDS: seconds(
    0,
    'Idle time of an upstream, without even a pong, after which its client is closed with 1001.',
  ),
})

/** The settings of {@link wireSettings}, as read. */
export type WireConfig = Readonly<
  Record<Exclude<keyof ReturnType<typeof wireSettings>, 'PLAIN_HTTP' | 'EXPOSE_TOPOLOGY'>, number> & {
    PLAIN_HTTP: (typeof PLAIN_HTTP_POLICIES)[number]
    EXPOSE_TOPOLOGY: boolean
  }
>

/**
 * Whether a side is pinged before it is closed as idle, because silence alone proves nothing. Both in seconds, 0: off.
 */
export const fitsPing = (ping: number, idle: number): boolean => idle === 0 || (ping > 0 && ping < idle)

/** Finds limits that contradict each other; one line for each. */
export function checkWire(config: WireConfig): string[] {
  return (['CLIENT', 'UPSTREAM'] as const).flatMap(side => {
    const ping = config[`${side}_PING_SECONDS`]
    const idle = config[`${side}_IDLE_SECONDS`]
    if (fitsPing(ping, idle)) return []
    const name = `${ENV_PREFIX}${side}_PING_SECONDS`
    return [`${name} must be above 0 and below ${ENV_PREFIX}${side}_IDLE_SECONDS, which is ${idle} (it is ${ping})`]
  })
}

/**
 * Open files other than WebSockets: listeners, discovery, peers, logs, probes, and {@link MIN_PLAIN} plain connections.
 */
const OTHER_FILES = 256

/**
 * Plain connections reserved beside the maximum number of WebSockets, because refusing a client takes a connection too.
 */
const MIN_PLAIN = 64

/** Memory of a plain connection with a request, in bytes, and the share of the memory for all of them. */
export const PLAIN_BYTES = 32_768
const PLAIN_SHARE = 0.25

const possibleConnections = (openFiles: number): number => Math.max(1, Math.floor((openFiles - OTHER_FILES) / 2))

/**
 * Maximum number of WebSockets. Each takes two open files; without a free file, a dial would fail as if the upstream
 * were at fault.
 */
export function connectionLimit(config: Pick<WireConfig, 'MAX_CONNECTIONS'>, openFiles = openFilesLimit()): number {
  const possible = possibleConnections(openFiles)
  return Math.min(config.MAX_CONNECTIONS || possible, possible)
}

/** Limits for client connections that are not, or not yet, WebSockets. */
export interface PlainConnectionLimits {
  /** Above it, the oldest idle connections are closed. */
  readonly connections: number
  /**
   * Requests answered at the same time. Lower than `connections`, so that further requests can arrive and be refused.
   */
  readonly requests: number
  /** All connections together, WebSockets included. */
  readonly all: number
}

/**
 * Derives the limits for plain connections.
 *
 * @param openFiles limit of open files of the process
 * @param memory of the process, in bytes; 0 for no limit
 */
export function plainLimits(
  config: Pick<WireConfig, 'MAX_PLAIN_CONNECTIONS'>,
  openFiles = openFilesLimit(),
  memory = process.constrainedMemory(),
): PlainConnectionLimits {
  const possible = possibleConnections(openFiles)
  const most = Math.max(MIN_PLAIN, Math.floor(possible / 2))
  const fitting = memory > 0 ? Math.max(MIN_PLAIN, Math.floor((memory * PLAIN_SHARE) / PLAIN_BYTES)) : most
  const connections = Math.min(config.MAX_PLAIN_CONNECTIONS || fitting, most)
  return { connections, requests: Math.ceil(connections * 0.75), all: possible + MIN_PLAIN }
}

/** Limits for dialling upstreams. */
export const dialLimitsOf = (
  config: Pick<WireConfig, 'HANDSHAKE_TIMEOUT_MS' | 'MAX_QUEUE_BYTES' | 'MAX_HEADER_BYTES'>,
): DialLimits => ({
  handshakeTimeoutMs: config.HANDSHAKE_TIMEOUT_MS,
  maxQueueBytes: config.MAX_QUEUE_BYTES,
  maxHeadBytes: config.MAX_HEADER_BYTES,
})

/** Memory budget of a process in bytes: as configured, or derived from the memory of its container. */
export const memoryBudget = (config: Pick<WireConfig, 'MEMORY_BUDGET_BYTES'>, processes = 1): number =>
  config.MEMORY_BUDGET_BYTES || budgetBytes(process.constrainedMemory() || totalmem(), processes)
