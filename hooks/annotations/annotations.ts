import { parseRoutingKey } from '../../lib/routing/key/routing-key.ts'
import { LOG_LEVELS } from '../../lib/service/log/log.ts'
import {
  ALTERNATIVE_ADMIN_PORT,
  ALTERNATIVE_SIDECAR_PORT,
  DEFAULT_ADMIN_PORT,
  DEFAULT_APP_PORT,
  DEFAULT_DRAIN_SECONDS,
  DEFAULT_HEADLESS_SERVICE,
  DEFAULT_PORT,
  DEFAULT_ROUTING_KEY,
  headlessServiceName,
  REBALANCES,
  RECIPIENT_FIELD,
  REHOME_HELLOS,
  REHOMES,
} from '../../lib/service/names.ts'
import { DELIVERIES, ROUTES, SENDER_REPLIES, TRANSPORTS } from '../../lib/settings/sidecar-settings.ts'
import { type Annotation, choice, tuning } from './annotation.ts'
import { BALANCER_TUNING, TUNING } from './tuning-annotations.ts'
import { cpu, imageReference, integer, matching, memory, type Parse, port, serviceName } from './values.ts'

/** Values of settings whose default is used in more than one place. */
export const DEFAULTS = {
  'sidecar-cpu-request': '20m',
  'sidecar-cpu-limit-guaranteed': '100m',
  'sidecar-memory-request': '64Mi',
  'sidecar-memory-limit': '192Mi',
  'drain-seconds': DEFAULT_DRAIN_SECONDS,
  'balancer-replicas': 2,
} as const

/** The first Kubernetes whose EndpointSlices have the named ports of native sidecars (kubernetes/kubernetes#127958). */
export const NATIVE_SINCE = '1.33'

/** Seconds from SIGTERM to the end of a sidecar, for clients that could not be handed over before. */
export const SHUTDOWN_SECONDS = 5

/** Checked where the annotation is read, not when the sidecar starts. */
const routingKey: Parse<string> = text => {
  if (text.length > 1024) throw new Error('at most 1024 characters')
  try {
    parseRoutingKey(text)
  } catch (error) {
    throw new Error(`a chain of places where a handshake names its user: ${(error as Error).message}`)
  }
  return text
}

/** Every annotation `ws.operator/<name>` that this version acts on, in the order of the reference. */
export const ANNOTATIONS = {
  'app-port': {
    values: 'port number or name of a container port',
    fallback: `derived from names and probes of the pod, otherwise ${DEFAULT_APP_PORT}`,
    description: 'Port of the app inside the pod.',
    parse: port,
    decides: ['APP_PORT'],
  },
  'sidecar-port': {
    values: '1024–65535',
    fallback: `${DEFAULT_PORT}, or ${ALTERNATIVE_SIDECAR_PORT} if the pod already uses ${DEFAULT_PORT}`,
    description: `Port of the sidecar in the pod. Its probes and metrics are on ${DEFAULT_ADMIN_PORT}, or on ${ALTERNATIVE_ADMIN_PORT} if the pod declares ${DEFAULT_ADMIN_PORT}.`,
    parse: integer(1024, 65_535),
    decides: ['PORT', 'ADMIN_PORT', 'SELF'],
  },
  'sidecar-mode': choice(
    ['native', 'classic'],
    'native',
    `\`native\`: an init container with \`restartPolicy: Always\`, for Kubernetes ${NATIVE_SINCE} or later; earlier versions omit its port from the EndpointSlices, so balancers and sidecars do not find the pods. \`classic\`: an ordinary container, for earlier versions.`,
  ),
  'sidecar-image': {
    values: 'image reference',
    fallback: 'the image configured in the hooks',
    description: 'Image of the sidecar.',
    parse: imageReference,
  },
  'sidecar-cpu-request': {
    values: 'cpu quantity',
    fallback: DEFAULTS['sidecar-cpu-request'],
    description: 'CPU request of the sidecar.',
    parse: cpu,
  },
  'sidecar-cpu-limit': {
    values: 'cpu quantity',
    fallback: `none; for Guaranteed pods the request, or ${DEFAULTS['sidecar-cpu-limit-guaranteed']}`,
    description:
      'CPU limit of the sidecar, required by a ResourceQuota that counts `limits.cpu`. If all containers of a pod have requests equal to their limits (QoS class Guaranteed), the sidecar also requests its limits, so that the pod stays Guaranteed.',
    parse: cpu,
  },
  'sidecar-memory-request': {
    values: 'quantity in Ki, Mi or Gi',
    fallback: DEFAULTS['sidecar-memory-request'],
    description: 'Memory request of the sidecar.',
    parse: memory,
  },
  'sidecar-memory-limit': {
    values: 'quantity in Ki, Mi or Gi',
    fallback: DEFAULTS['sidecar-memory-limit'],
    description:
      'Memory limit of the sidecar. About 30 MiB of it are for the command that drains the sidecar when its pod terminates.',
    parse: memory,
    decides: ['MEMORY_BUDGET_BYTES'],
  },
  'routing-key': {
    values: 'chain of places',
    fallback: DEFAULT_ROUTING_KEY,
    description: 'Places of a handshake that name its user, for the balancer and the sidecars.',
    parse: routingKey,
    sidecar: 'ROUTING_KEY',
    field: 'routing.key',
  },
  'routing-algorithm': choice(['rendezvous'], 'rendezvous', 'Algorithm that chooses the pod that owns a user.'),
  route: choice(
    ROUTES,
    'inbound',
    'Messages that may be addressed: `inbound` (client to app), `outbound` (app to client) or `both`.',
    { sidecar: 'ROUTE' },
  ),
  deliver: choice(
    DELIVERIES,
    'sender',
    "Destination of an addressed inbound message on the recipient's pod: the app, over a connection of the sender (`sender`); the app, over one connection of the recipient (`app`); or the recipient's clients (`client`). With `app` and `client`, any client can speak in another user's name (docs/messages.md).",
    { sidecar: 'DELIVER' },
  ),
  'sender-replies': choice(
    SENDER_REPLIES,
    'pass',
    "With `deliver: sender`, whether the sender's client gets the answers of the app on the recipient's pod.",
    { sidecar: 'SENDER_REPLIES' },
  ),
  'sender-idle-seconds': tuning({ sidecar: 'SENDER_IDLE_SECONDS' }),
  'max-sender-connections': tuning(
    { sidecar: 'MAX_SENDER_CONNECTIONS' },
    'Maximum number of such connections in a pod; above it, the least recently used one is closed, and opened again when needed.',
  ),
  'recipient-field': {
    values: '1–256 characters',
    fallback: RECIPIENT_FIELD,
    description: 'Field of a JSON text message that names its recipient.',
    parse: matching(/^./s, 256, 'from 1 to 256 characters long'),
    sidecar: 'RECIPIENT_FIELD',
  },
  transport: choice(
    TRANSPORTS,
    'link',
    'How messages travel between sidecars: over one connection to each (`link`; `http` if the other does not support links), or one request for each message (`http`).',
    { sidecar: 'TRANSPORT' },
  ),
  receipts: choice(['true', 'false'], 'false', 'Whether the sender of an addressed message gets its outcome.', {
    sidecar: 'RECEIPTS',
  }),
  'drain-seconds': {
    values: '1–3600',
    fallback: String(DEFAULTS['drain-seconds']),
    description: `Maximum time for a terminating pod to hand its users over, and for a terminating balancer to close its clients. The \`terminationGracePeriodSeconds\` of the pod must be ${SHUTDOWN_SECONDS} s more.`,
    parse: integer(1, 3600),
    sidecar: 'DRAIN_SECONDS',
    field: 'drainSeconds',
  },
  rehome: choice(
    REHOMES,
    'auto',
    'What happens to a client whose pod terminates or no longer owns the user: with `transparent` it keeps its socket, and the new pod gets its handshake, by which the app must know it; with `close` it is closed with 1012, so that it reconnects; `auto` moves only clients that have not sent any message and whose protocol has no session in the app, and closes the others.',
    { field: 'rehome' },
  ),
  'rehome-hello': choice(
    REHOME_HELLOS,
    'none',
    "`first-text`: the new pod also gets the client's first text message again, for apps whose clients introduce themselves with it.",
    { field: 'rehomeHello' },
  ),
  rebalance: choice(
    REBALANCES,
    'gradual',
    'Users whose owner has changed because pods were added: `gradual` moves them at a limited rate; with `on-reconnect` they change pods when they reconnect; with `"off"` (in quotes in YAML), when they reconnect and have no other connection left.',
    { field: 'rebalance.policy' },
  ),
  balancer: choice(
    ['auto', 'none'],
    'auto',
    '`auto`: the hooks create a WebSocketBalancer of the same name. `none`: write one yourself, or route in another way.',
  ),
  'balancer-replicas': {
    values: '0–100',
    fallback: String(DEFAULTS['balancer-replicas']),
    description: 'Number of balancer pods.',
    parse: integer(0, 100),
    field: 'replicas',
  },
  'headless-service': {
    values: `\`${DEFAULT_HEADLESS_SERVICE}\`, or a name that ends in \`-${DEFAULT_HEADLESS_SERVICE}\``,
    fallback: `\`${headlessServiceName('<deployment>')}\``,
    description:
      'Name of the headless Service that the hooks create for the sidecars. Other names are refused, because the hooks could take over a Service of yours.',
    parse: serviceName,
    field: 'backend.service',
    decides: ['SRV_DNS_RECORD', 'SERVICE'],
  },
  discovery: choice(
    ['dns', 'kubernetes'],
    'dns',
    'How sidecars find each other: `dns` needs no rights, `kubernetes` needs a ServiceAccount that may watch EndpointSlices.',
    { decides: ['DISCOVERY'] },
  ),
  'sidecar-upgrade': choice(
    ['rollout', 'now'],
    'rollout',
    "When the Deployment takes a newer sidecar, and with it a newer balancer: `rollout`, with its next rollout for any reason; `now`, at once, and each later version too. Without the annotation, a percentage of the Deployments may take it at once (the hooks' `WS_OPERATOR_SIDECAR_UPGRADE_PERCENT`).",
  ),
  ...TUNING,
  'expose-topology': choice(
    ['true', 'false'],
    'false',
    'Whether answers tell clients about pods and addresses: in headers of every answer, and in the details of a 502, 503 or 504.',
    { sidecar: 'EXPOSE_TOPOLOGY', field: 'exposeTopology' },
  ),
  'log-level': choice(LOG_LEVELS, 'info', 'Log level of the sidecar and the balancer.', {
    sidecar: 'LOG_LEVEL',
    field: 'logLevel',
  }),
} as const satisfies Record<string, Annotation<unknown>>

/** Annotations that change nothing in the sidecar, so they are no reason to roll its pods. */
export const NOT_FOR_THE_SIDECAR = [
  'routing-algorithm',
  'rehome',
  'rehome-hello',
  'rebalance',
  'balancer',
  'balancer-replicas',
  'sidecar-upgrade',
  ...BALANCER_TUNING,
  'status',
  'status-message',
  'sidecar-revision',
] as const satisfies readonly (keyof typeof ANNOTATIONS | keyof typeof WRITTEN)[]

/** Annotations that ws-operator writes itself, with their meaning. */
export const WRITTEN = {
  status: '`Pending`, `Injected`, `Refused` or `RemovalBlocked`',
  'status-message': 'why, and what to do',
  'sidecar-revision':
    'the current sidecar: the version of ws-operator that rendered it, its hash, and a hash of all settings of the user',
} as const

export type AnnotationName = keyof typeof ANNOTATIONS

/** Settings of a Deployment; one without annotation is absent. */
export type Settings = { readonly [N in AnnotationName]?: ReturnType<(typeof ANNOTATIONS)[N]['parse']> }
