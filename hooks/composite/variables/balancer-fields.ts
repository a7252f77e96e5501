import { literal } from '../../sidecar/container-defaults.ts'
import type { BalancerVariable } from './variable-schema.ts'

/** What the balancer refuses. */
export const LIMITS = {
  maxConnections: 'MAX_CONNECTIONS',
  maxPayloadBytes: 'MAX_PAYLOAD_BYTES',
  maxHeaderBytes: 'MAX_HEADER_BYTES',
  maxQueueBytes: 'MAX_QUEUE_BYTES',
  maxPlainConnections: 'MAX_PLAIN_CONNECTIONS',
  minBodyBytesPerSecond: 'MIN_BODY_BYTES_PER_SECOND',
} as const satisfies Record<string, BalancerVariable>

/** How long the balancer waits. */
export const TIMEOUTS = {
  handshakeMs: 'HANDSHAKE_TIMEOUT_MS',
  plainHttpMs: 'PLAIN_HTTP_TIMEOUT_MS',
  slowConsumerSeconds: 'SLOW_CONSUMER_SECONDS',
  rehomeMs: 'REHOME_TIMEOUT_MS',
  rehomeLingerMs: 'REHOME_LINGER_MS',
} as const satisfies Record<string, BalancerVariable>

/** When an idle side gets a ping, and when it counts as gone. */
export const KEEP_ALIVE = {
  clientPingSeconds: 'CLIENT_PING_SECONDS',
  clientIdleSeconds: 'CLIENT_IDLE_SECONDS',
  upstreamPingSeconds: 'UPSTREAM_PING_SECONDS',
  upstreamIdleSeconds: 'UPSTREAM_IDLE_SECONDS',
} as const satisfies Record<string, BalancerVariable>

/** The pace of moves for balance. */
export const REBALANCE = {
  delaySeconds: 'REBALANCE_DELAY_SECONDS',
  maxMovesPerSecond: 'MAX_MOVES_PER_SECOND',
} as const satisfies Record<string, BalancerVariable>

/** Fields of a WebSocketBalancer's spec whose values are those of a variable, in the order in which the hooks write them. */
export const BALANCER_FIELDS = {
  'routing.key': 'ROUTING_KEY',
  'routing.onMissing': 'ON_MISSING_KEY',
  rehome: 'REHOME',
  rehomeHello: 'REHOME_HELLO',
  'rebalance.policy': 'REBALANCE',
  ...below('rebalance', REBALANCE),
  ...below('limits', LIMITS),
  ...below('timeouts', TIMEOUTS),
  ...below('keepAlive', KEEP_ALIVE),
  plainHttp: 'PLAIN_HTTP',
  workers: 'WORKERS',
  drainSeconds: 'SHUTDOWN_SECONDS',
  exposeTopology: 'EXPOSE_TOPOLOGY',
  logLevel: 'LOG_LEVEL',
} as const satisfies Record<string, BalancerVariable>

/** Path of a field that sets a variable of the balancer. */
export type BalancerField = keyof typeof BALANCER_FIELDS

/** Fields from which variables are derived. */
export const DECIDING_FIELDS = {
  target: ['TARGET'],
  'backend.service': ['SERVICE', 'TARGET'],
  'resources.limits.memory': ['MEMORY_BUDGET_BYTES'],
} as const satisfies Record<string, readonly BalancerVariable[]>

/** Variables of the balancer that no field sets: the hooks write them, or only the environment of a balancer outside of a cluster does. */
export const OTHER_BALANCER_VARIABLES = {
  HOST: 'environment',
  PORT: 'environment',
  ADMIN_HOST: 'environment',
  ADMIN_PORT: 'environment',
  INSTANCE: 'hooks',
  DISCOVERY: 'hooks',
  MEMBERS: 'environment',
  MEMBERS_FILE: 'environment',
  SRV_DNS_RECORD: 'environment',
} as const satisfies Record<Exclude<BalancerVariable, Reached>, 'hooks' | 'environment'>

type Reached = (typeof BALANCER_FIELDS)[BalancerField] | (typeof DECIDING_FIELDS)[keyof typeof DECIDING_FIELDS][number]

/** The variables that a spec sets, escaped for the kubelet; an absent field keeps the balancer's default. */
export function fieldVariables(spec: object): Partial<Record<BalancerVariable, string | number>> {
  const values: Partial<Record<BalancerVariable, string | number>> = {}
  for (const [path, variable] of Object.entries(BALANCER_FIELDS)) {
    const value = fieldAt(spec, path)
    if (value !== undefined) values[variable] = typeof value === 'number' ? value : literal(String(value))
  }
  return values
}

/** Sets the field of a spec at a path, and creates the objects on the way. */
export function setField(spec: Record<string, unknown>, path: string, value: unknown): void {
  const names = path.split('.')
  const last = names.pop() as string
  let at = spec
  for (const name of names) {
    at[name] ??= {}
    at = at[name] as Record<string, unknown>
  }
  at[last] = value
}

function fieldAt(spec: object, path: string): string | number | boolean | undefined {
  let value: unknown = spec
  for (const name of path.split('.')) value = (value as Record<string, unknown> | undefined)?.[name]
  return value as string | number | boolean | undefined
}

function below<const P extends string, const M extends Readonly<Record<string, BalancerVariable>>>(
  path: P,
  fields: M,
): { readonly [K in keyof M & string as `${P}.${K}`]: M[K] } {
  return Object.fromEntries(Object.entries(fields).map(([name, variable]) => [`${path}.${name}`, variable])) as {
    readonly [K in keyof M & string as `${P}.${K}`]: M[K]
  }
}
