/** The meaning of a port or container name. */
export interface Meaning {
  /** How likely it accepts WebSockets; 0: unknown. */
  readonly score: number
  /** Reason for the score, if it is not the name; continues "because …". */
  readonly reason?: string
  /** Why it cannot be the port of the app's WebSockets; continues "it is …". */
  readonly excluded?: string
}

/** Words for WebSockets, then for HTTP, then for an app as such. */
const SCORES: readonly (readonly [score: number, words: readonly string[]])[] = [
  [100, ['ws', 'websocket', 'websockets', 'wsport', 'wsserver', 'wsapi']],
  [80, ['socket', 'sockets', 'socketio', 'sockjs', 'realtime', 'signalr', 'novnc', 'websockify']],
  [40, ['http', 'web', 'www', 'webserver', 'webapp']],
  [
    10,
    [
      'api',
      'app',
      'backend',
      'chat',
      'external',
      'game',
      'gateway',
      'main',
      'public',
      'server',
      'service',
      'signal',
      'signaling',
    ],
  ],
]

/** Words for ports that are not for users, even beside other words: probes often check them, which must not make them win. */
const NOT_FOR_USERS = ['admin', 'actuator', 'console', 'dashboard', 'internal', 'management', 'mgmt', 'private']

const NOT_FOR_USERS_SCORE = -60

/** Words for ports that are never the app's WebSockets, even beside a word for these. */
const NEVER: readonly (readonly [excluded: string, words: readonly string[]])[] = [
  ['for TLS, which the sidecar does not speak', ['https', 'ssl', 'tls', 'wss', 'httpssl', 'mqtts', 'amqps', 'grpcs']],
  [
    'for metrics',
    ['metrics', 'metric', 'prometheus', 'prom', 'telemetry', 'stats', 'statsd', 'monitoring', 'exporter'],
  ],
  [
    'for health checks',
    ['health', 'healthz', 'healthcheck', 'liveness', 'readiness', 'probe', 'probes', 'livez', 'readyz'],
  ],
  ['for debugging', ['debug', 'debugger', 'pprof', 'profiling', 'inspect', 'inspector', 'jmx', 'delve']],
]

/** Words for another protocol, unless a word or a number for WebSockets stands beside: `mqtt-ws`, `web-mqtt` on 15675. */
const OTHER_PROTOCOLS = [
  ...[
    'amqp',
    'dns',
    'epmd',
    'ftp',
    'gossip',
    'grpc',
    'imap',
    'jms',
    'kafka',
    'ldap',
    'mongo',
    'mongodb',
    'mqtt',
    'mysql',
    'nats',
    'openwire',
    'p2p',
  ],
  ...[
    'postgres',
    'postgresql',
    'raft',
    'rdp',
    'redis',
    'rfb',
    'rpc',
    'rtmp',
    'rtp',
    'rtsp',
    'serf',
    'sftp',
    'sip',
    'smtp',
    'ssh',
    'stun',
    'turn',
    'vnc',
    'xmpp',
  ],
]

/** Ports that, without a name that says otherwise, are those of another protocol. */
const KNOWN_PORTS: Readonly<Record<number, string>> = {
  22: 'SSH',
  25: 'SMTP',
  53: 'DNS',
  443: 'HTTPS',
  1883: 'MQTT',
  1935: 'RTMP',
  2222: 'SSH',
  3306: 'MySQL',
  3389: 'RDP',
  3478: 'STUN',
  4369: 'the Erlang port mapper',
  4822: 'guacd',
  5005: 'Java debugging',
  5060: 'SIP',
  5432: 'PostgreSQL',
  5672: 'AMQP',
  5900: 'VNC',
  5901: 'VNC',
  6379: 'Redis',
  8443: 'HTTPS',
  8554: 'RTSP',
  8883: 'MQTT over TLS',
  9100: 'metrics',
  9229: 'Node debugging',
  27017: 'MongoDB',
  30303: 'peers of Ethereum',
  30333: 'peers of Substrate',
  50051: 'gRPC',
  61613: 'STOMP',
  61616: 'OpenWire',
}

/** Those of them that speak HTTP, and still are not the app's. */
const OF_HTTP: ReadonlySet<number> = new Set([9100, 9229])

/** Ports that are those of WebSockets in a server that many run, and of hardly anything else. */
const WEBSOCKET_PORTS: Readonly<Record<number, string>> = {
  6080: 'noVNC',
  6901: 'noVNC',
  8188: 'Janus',
  8546: 'Ethereum',
  9944: 'Substrate',
  15674: 'RabbitMQ (STOMP)',
  15675: 'RabbitMQ (MQTT)',
  26657: 'CometBFT',
  61614: 'ActiveMQ',
}

/** More than a probe by HTTP weighs (these servers have theirs elsewhere), less than a name and a probe that agree. */
const WEBSOCKET_PORT_SCORE = 50

/** Ports that are more often for metrics, but not only: a probe by HTTP that asks one weighs as much. */
const DOUBTFUL_PORTS: ReadonlySet<number> = new Set([9090, 9091])

const DOUBTFUL = -30

/** Ports that are more often for TLS: of two that are equal but for that, the other one. */
const OFTEN_TLS: ReadonlySet<number> = new Set([443, 8084, 8443, 9443])

const OFTEN_TLS_SCORE = -5

/** Lowest score of a word that says by itself that HTTP is spoken there. */
const SPEAKS_HTTP = 40

const ANOTHER_PROTOCOL = 'for another protocol'

/** Reads a name such as `relay-ws`, `http2` or `gameSocket` word by word. */
export function meaningOf(name: string): Meaning {
  const words = name
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .flatMap(word => [word, word.replace(/\d+$/, ''), word.replace(/port$/, '')])
  const has = (list: readonly string[]) => words.some(word => list.includes(word))
  const never = NEVER.find(([, list]) => has(list))
  if (never) return { score: 0, excluded: never[0] }
  const score = SCORES.find(([, list]) => has(list))?.[0] ?? (/socket/i.test(name) ? 80 : 0)
  if (score < 80 && has(OTHER_PROTOCOLS)) return { score: 0, excluded: ANOTHER_PROTOCOL }
  return { score: score + (has(NOT_FOR_USERS) ? NOT_FOR_USERS_SCORE : 0) }
}

/**
 * What a port says by its name, or by its number where the name says nothing.
 *
 * @param http whether a probe asks it by HTTP, so that it is not for another protocol: `rpc`, 8443
 */
export function meaningOfPort(port: number, name: string | undefined, http = false): Meaning {
  const said = meaningOf(name ?? '')
  return ofKnownServer(port, said) ?? ofName(port, said, http) ?? ofNumber(port, said, http)
}

/** A port of a server that many run, where its name says nothing against WebSockets. */
function ofKnownServer(port: number, said: Meaning): Meaning | undefined {
  const server = WEBSOCKET_PORTS[port]
  const isExcluded = said.excluded !== undefined && said.excluded !== ANOTHER_PROTOCOL
  if (server === undefined || said.score < 0 || isExcluded) return undefined
  if (said.score >= WEBSOCKET_PORT_SCORE) return said
  return { score: WEBSOCKET_PORT_SCORE, reason: `${port} is the port of ${server} for WebSockets` }
}

/** `undefined` where the name decides nothing. */
function ofName(port: number, said: Meaning, http: boolean): Meaning | undefined {
  if (said.excluded !== undefined) return http && said.excluded === ANOTHER_PROTOCOL ? { score: 0 } : said
  return said.score >= SPEAKS_HTTP ? lessForTls(port, said) : undefined
}

function ofNumber(port: number, said: Meaning, http: boolean): Meaning {
  const known = KNOWN_PORTS[port]
  if (known !== undefined && !(http && !OF_HTTP.has(port))) return { score: 0, excluded: `usually for ${known}` }
  if (DOUBTFUL_PORTS.has(port)) return { score: Math.min(said.score, DOUBTFUL) }
  return lessForTls(port, said)
}

const lessForTls = (port: number, said: Meaning): Meaning =>
  OFTEN_TLS.has(port) ? { score: said.score + OFTEN_TLS_SCORE } : said
