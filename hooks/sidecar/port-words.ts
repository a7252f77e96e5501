/** What the name of a port or of a container says about who listens there. */
export interface Meaning {
  /** The higher, the likelier that WebSockets are taken there; 0: nothing is said. */
  readonly score: number
  /** Why it cannot be the port of the app's WebSockets; goes on after "it is". */
  readonly excluded?: string
}

/** Words for what takes WebSockets, then for what speaks HTTP, then for an app as such. */
const SCORES: readonly (readonly [score: number, words: readonly string[]])[] = [
  [100, ['ws', 'websocket', 'websockets', 'wsport', 'wsserver', 'wsapi']],
  [80, ['socket', 'sockets', 'socketio', 'sockjs', 'realtime', 'signalr']],
  [40, ['http', 'web', 'www', 'webserver', 'webapp']],
  [
    10,
    ['api', 'app', 'backend', 'chat', 'game', 'gateway', 'main', 'public', 'server', 'service', 'signal', 'signaling'],
  ],
  [-20, ['admin', 'actuator', 'console', 'dashboard', 'internal', 'management', 'mgmt', 'private']],
]

/** Words for what is never the app's WebSockets, even beside a word for these. */
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

/** Words for another protocol, unless a word for WebSockets stands beside: `mqtt-ws`. */
const OTHER_PROTOCOLS = [
  ...[
    'amqp',
    'dns',
    'epmd',
    'ftp',
    'gossip',
    'grpc',
    'imap',
    'kafka',
    'ldap',
    'mongo',
    'mongodb',
    'mqtt',
    'mysql',
    'nats',
  ],
  ...[
    'postgres',
    'postgresql',
    'raft',
    'redis',
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
  3478: 'STUN',
  4369: 'the Erlang port mapper',
  5005: 'Java debugging',
  5432: 'PostgreSQL',
  5672: 'AMQP',
  6379: 'Redis',
  8443: 'HTTPS',
  8883: 'MQTT over TLS',
  9100: 'metrics',
  9229: 'Node debugging',
  27017: 'MongoDB',
  50051: 'gRPC',
}

/** Ports that are more often for metrics, but not only. */
const DOUBTFUL_PORTS: ReadonlySet<number> = new Set([9090, 9091])

const DOUBTFUL = -20

/** Lowest score of a word that says by itself that HTTP is spoken there. */
const SPEAKS_HTTP = 40

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
  if (score < 80 && has(OTHER_PROTOCOLS)) return { score: 0, excluded: 'for another protocol' }
  return { score }
}

/** What a port says by its name, or by its number where the name says nothing. */
export function meaningOfPort(port: number, name: string | undefined): Meaning {
  const said = meaningOf(name ?? '')
  const known = KNOWN_PORTS[port]
  if (said.excluded !== undefined || said.score >= SPEAKS_HTTP) return said
  if (known !== undefined) return { score: 0, excluded: `usually for ${known}` }
  return DOUBTFUL_PORTS.has(port) ? { score: Math.min(said.score, DOUBTFUL) } : said
}
