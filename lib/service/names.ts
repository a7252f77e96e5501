/**
 * All names that users and other programs see: labels, annotations, headers, ports, containers, prefixes of environment
 * variables and metrics. The reference pages in docs/ are generated from these.
 */

/** Prefix of the labels and annotations that users write and read. */
export const DOMAIN = 'ws.operator'

/** The label that enables ws-operator for a Deployment; its value must be `"true"`. */
export const ENABLE_LABEL = `${DOMAIN}/enable`

/** Label on everything that the hooks create: the Deployment it was created for. */
export const TARGET_LABEL = `${DOMAIN}/target`

/** Annotations that the operator writes on the Deployment. */
export const STATUS_ANNOTATION = `${DOMAIN}/status`
export const STATUS_MESSAGE_ANNOTATION = `${DOMAIN}/status-message`
export const SIDECAR_REVISION_ANNOTATION = `${DOMAIN}/sidecar-revision`

/**
 * Annotation on a balancer's Deployment: the revision that its pods run, like {@link SIDECAR_REVISION_ANNOTATION} on
 * the user's.
 */
export const BALANCER_REVISION_ANNOTATION = `${DOMAIN}/balancer-revision`

/** The system's own names: the value of {@link MANAGED_BY_LABEL} on its objects, and where it is installed. */
export const OPERATOR = 'ws-operator'
export const SYSTEM_NAMESPACE = 'ws-operator-system'
export const HOOKS_NAME = 'ws-operator-hooks'
export const MANAGED_BY_LABEL = 'app.kubernetes.io/managed-by'

/** Group, version and kind of the custom resource that describes a balancer. */
export const API_GROUP = DOMAIN
export const API_VERSION = `${API_GROUP}/v1alpha1`
export const BALANCER_KIND = 'WebSocketBalancer'

/** Name of the sidecar container, and of its port in the pod, in Services and in EndpointSlices. */
export const SIDECAR_CONTAINER = 'websocket-proxy'
export const SIDECAR_PORT_NAME = 'ws-proxy'

/** Name of a headless Service of sidecars, alone or after the Deployment's name and a hyphen. */
export const DEFAULT_HEADLESS_SERVICE = 'ws-proxy-headless'

/** Name of the headless Service of a Deployment's sidecars, unless an annotation sets another. */
export const headlessServiceName = (deployment: string): string => `${deployment}-${DEFAULT_HEADLESS_SERVICE}`

/** Name of the Secret with which a Deployment's sidecars authenticate each other. */
export const podTokenName = (deployment: string): string => `${deployment}-ws-proxy-token`

/** Name of everything created for a WebSocketBalancer. */
export const balancerChildName = (balancer: string): string => `${balancer}-balancer`

/** Header with the user (the routing key) in UTF-8, from the balancer to the sidecar and from there to the app. */
export const USER_HEADER = 'ws-user-id'

/**
 * Response headers: the sidecar's pod, the balancer's pod, the chosen member. Clients see them only if the owner
 * enables that.
 */
export const INSTANCE_HEADER = 'x-ws-operator-instance'
export const PROXY_INSTANCE_HEADER = 'x-ws-operator-proxy-instance'
export const UPSTREAM_HOST_HEADER = 'x-ws-operator-upstream-host'

/** Response headers that name pods and addresses. */
export const TOPOLOGY_HEADERS: ReadonlySet<string> = new Set([
  INSTANCE_HEADER,
  PROXY_INSTANCE_HEADER,
  UPSTREAM_HOST_HEADER,
])

/** Request header from the balancer to the sidecar: marks a client's request for the app. */
export const CLIENT_REQUEST_HEADER = 'x-ws-operator-client-request'

/**
 * Request header from the balancer to the sidecar and between sidecars: the intended Deployment (`namespace/name`),
 * because an address may outlive its pod.
 */
export const TARGET_HEADER = 'x-ws-operator-target'

/** Response header of this system's own refusals: a code of the error table. Responses of apps do not have it. */
export const ERROR_HEADER = 'x-ws-operator-error'

/** Request header from the balancer to the sidecar: the secret of its control pings. */
export const CONTROL_HEADER = 'x-ws-operator-control'

/**
 * Request header of a balancer that repeats a client's handshake to another pod; the pod serves it only once told to.
 */
export const PENDING_CLIENT_HEADER = 'x-ws-operator-arriving'

/** Request header between sidecars: the destination of a message at the recipient's pod. */
export const DELIVER_HEADER = 'x-ws-operator-deliver'

/** Its value in a request without a message: a connection has ended. */
export const DELIVER_END = 'end'

/**
 * Request header from the balancer to the sidecar and between sidecars: the id of a client connection, which stays the
 * same on each pod that the client is moved to.
 */
export const CONNECTION_HEADER = 'x-ws-operator-connection'

/**
 * Request header to the app: this connection represents a client of another pod, which has its own connection there.
 */
export const SHADOW_HEADER = 'x-ws-operator-shadow'

/**
 * Field of a handshake that one sidecar sends to another: the user of the connection, empty if unknown. The other
 * pod's app must take the connection for the same user.
 */
export const SENDER_USER_HEADER = 'x-ws-operator-sender-user'

/** Request header between sidecars: number of bytes at the start of the body that are the sender's handshake. */
export const HANDSHAKE_BYTES_HEADER = 'x-ws-operator-handshake-bytes'

/** WebSocket sub-protocol of links between sidecars, and its prefix in all versions. */
export const LINK_PROTOCOL_PREFIX = 'ws-operator-link.'
export const LINK_PROTOCOL = `${LINK_PROTOCOL_PREFIX}v1`

/** Response header of a link's handshake: the version of frames that the accepting sidecar reads; absent: 1. */
export const LINK_VERSION_HEADER = 'x-ws-operator-link-version'

/** Request headers between sidecars: the sending process (a generated name), and its member name. */
export const SENDER_HEADER = 'x-ws-operator-sender'
export const MEMBER_HEADER = 'x-ws-operator-member'

/**
 * Request headers of a message between sidecars: its number, its lane, and for a copy the members that already have it.
 */
export const MESSAGE_ID_HEADER = 'x-ws-operator-message-id'
export const LANE_HEADER = 'x-ws-operator-lane'
export const SERVED_HEADER = 'x-ws-operator-served'

/** Response header between sidecars: the member that has the recipient. */
export const MOVED_TO_HEADER = 'x-ws-operator-moved-to'

/** `type` of the text message that tells a client the outcome of one of its messages. */
export const RECEIPT_TYPE = 'ws-operator/receipt'

/** Path of the HTTP transport between sidecars, and of link handshakes. */
export const MESSAGE_PATH = '/message'

/** Default field of a text message that addresses it to another user. */
export const RECIPIENT_FIELD = 'recipientId'

/** What a balancer does with a client whose pod leaves or no longer owns the user. */
export const REHOMES = ['auto', 'transparent', 'close'] as const

/** What a client's new pod receives first: nothing, or the client's first text message again. */
export const REHOME_HELLOS = ['none', 'first-text'] as const

/** When users move whose owner changed while their pod stays: gradually, with their next connection, or not. */
export const REBALANCES = ['gradual', 'on-reconnect', 'off'] as const

/** Path on the admin server that starts a hand-over; accepts only requests of its own machine. */
export const DRAIN_PATH = '/drain'

/** Default ports: for clients and peers, for health and metrics, and of the app. */
export const DEFAULT_PORT = 3000
export const ALTERNATIVE_SIDECAR_PORT = 13_000
export const DEFAULT_ADMIN_PORT = 9090
export const ALTERNATIVE_ADMIN_PORT = 19_090
export const DEFAULT_APP_PORT = 3001
/** Longest time for a sidecar to hand its users over, in seconds. */
export const DEFAULT_DRAIN_SECONDS = 20
export const DEFAULT_HOOKS_PORT = 8080

/** Prefix of every environment variable that configures a program. */
export const ENV_PREFIX = 'WS_OPERATOR_'

/** Not a setting: `1` overwrites every lent chunk after its event (lib/bridge/socket/read-buffer.ts). Tests set it. */
export const POISON_READS_VARIABLE = `${ENV_PREFIX}POISON_READS`

/** Prefix of every metric. */
export const METRIC_PREFIX = 'ws_operator_'

/** Default chain of places where a handshake names its user. */
export const DEFAULT_ROUTING_KEY = `header:${USER_HEADER},query:user`

/**
 * Request headers that balancers and sidecars write for each other: never accepted from clients, never passed to apps
 * unchanged.
 */
export const HOP_HEADERS: ReadonlySet<string> = new Set([
  USER_HEADER,
  CLIENT_REQUEST_HEADER,
  CONNECTION_HEADER,
  CONTROL_HEADER,
  PENDING_CLIENT_HEADER,
  SENDER_USER_HEADER,
  SHADOW_HEADER,
  TARGET_HEADER,
])
