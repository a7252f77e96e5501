import t from 'tap'
import { meaningOf, meaningOfPort } from '../../../hooks/sidecar/port-words.ts'

const ANOTHER = 'for another protocol'

t.test('a name is read word by word, in each spelling, for WebSockets first', async t => {
  for (const [score, ...names] of [
    [100, 'ws', 'relay-ws', 'ws1', 'WS', 'player_ws', 'wsPort', 'mqtt-ws', 'websockets', 'http.ws', 'wsport'],
    [80, 'socketio', 'gameSocket', 'realtime', 'web-socket', 'mysockets'],
    [40, 'http', 'http2', 'httpPort', 'web-ui', 'www', 'httpport'],
    [10, 'api', 'game', 'chat-main', 'external'],
    [0, '', 'other', 'edge', 'webapi2x', 'wsx'],
  ] as const) {
    for (const name of names) t.strictSame(meaningOf(name), { score }, name)
  }
})

t.test('a port that is not for users counts less than one of which nothing is known', async t => {
  for (const [name, score] of [
    ['admin', -60],
    ['http-internal', -20],
    ['admin-ws', 40],
    ['management', -60],
  ] as const) {
    t.strictSame(meaningOf(name), { score }, name)
  }
})

t.test('a port for TLS, metrics, health or debugging is excluded, whatever words stand beside', async t => {
  for (const [name, excluded] of [
    ['wss', 'for TLS, which the sidecar does not speak'],
    ['ws-tls', 'for TLS, which the sidecar does not speak'],
    ['ws-metrics', 'for metrics'],
    ['http-health', 'for health checks'],
    ['websocket-debug', 'for debugging'],
  ] as const) {
    t.strictSame(meaningOf(name), { score: 0, excluded }, name)
  }
})

t.test('another protocol is excluded, unless a word for WebSockets stands beside', async t => {
  for (const name of ['mqtt', 'grpc', 'http-grpc', 'rtc-turn'])
    t.strictSame(meaningOf(name), { score: 0, excluded: ANOTHER })
  for (const [name, score] of [
    ['mqtt-ws', 100],
    ['vnc-websockify', 80],
  ] as const) {
    t.strictSame(meaningOf(name), { score }, name)
  }
})

/** A port's number and name, whether a probe asks it by HTTP, and what it means. */
const PORTS: readonly (readonly [port: number, name: string | undefined, http: boolean, meaning: object])[] = [
  [1234, undefined, false, { score: 0 }],
  [1234, 'http', false, { score: 40 }],
  [22, undefined, false, { score: 0, excluded: 'usually for SSH' }],
  [22, 'ws', false, { score: 100 }],
  [22, 'api', false, { score: 0, excluded: 'usually for SSH' }],
  // A probe by HTTP shows that HTTP is spoken there, but metrics and debuggers speak it too.
  [22, undefined, true, { score: 0 }],
  [9100, undefined, true, { score: 0, excluded: 'usually for metrics' }],
  [8443, undefined, true, { score: -5 }],
  [1234, 'rpc', false, { score: 0, excluded: ANOTHER }],
  [1234, 'rpc', true, { score: 0 }],
  [1234, 'metrics', true, { score: 0, excluded: 'for metrics' }],
  [443, 'ws', false, { score: 95 }],
  [9443, undefined, false, { score: -5 }],
  [9090, undefined, false, { score: -30 }],
  [9090, 'api', false, { score: -30 }],
  [9090, 'http', false, { score: 40 }],
  [9091, 'admin', false, { score: -60 }],
  [8188, undefined, false, { score: 50, reason: '8188 is the port of Janus for WebSockets' }],
  [8188, 'http', false, { score: 50, reason: '8188 is the port of Janus for WebSockets' }],
  [8188, 'ws', false, { score: 100 }],
  [8188, 'admin', false, { score: -60 }],
  [15_675, 'web-mqtt', false, { score: 50, reason: '15675 is the port of RabbitMQ (MQTT) for WebSockets' }],
  [8188, 'wss', false, { score: 0, excluded: 'for TLS, which the sidecar does not speak' }],
]

t.test('a number says something where the name says nothing', async t => {
  for (const [port, name, http, meaning] of PORTS)
    t.strictSame(meaningOfPort(port, name, http), meaning, `${port} ${name} ${http}`)
})
