import fc from 'fast-check'
import t from 'tap'
import type { Container, PodSpec } from '../../../hooks/requests/schemas.ts'
import { candidatesOf, findAppPort } from '../../../hooks/sidecar/app-port.ts'

/** A container in short: `name[image]: 8080/http 9000 53U readiness=8080 live=tcp:9000 startup=https:8443 live=grpc:50051 PORT=8080`. */
function container(text: string): Container {
  const [, name = '', image, rest = ''] = /^([\w-]+)(?:\[([^\]]+)\])?:?(.*)$/.exec(text) ?? []
  const words = rest.split(' ').filter(Boolean)
  const ports = words.flatMap(word => {
    const [, port, udp, portName] = /^(\d+)(U?)(?:\/(.+))?$/.exec(word) ?? []
    if (!port) return []
    return [{ containerPort: Number(port), protocol: udp ? 'UDP' : 'TCP', ...(portName && { name: portName }) }]
  })
  const probes = words.flatMap(word => {
    const [, probe, kind = 'http', target = ''] =
      /^(live|readi|start)\w*=(?:(tcp|https|grpc|http):)?(.+)$/.exec(word) ?? []
    if (!probe) return []
    const port = /^\d+$/.test(target) ? Number(target) : target
    const how = {
      http: { httpGet: { path: '/', port } },
      https: { httpGet: { path: '/', port, scheme: 'HTTPS' } },
      tcp: { tcpSocket: { port } },
      grpc: { grpc: { port } },
    }[kind]
    return [[{ live: 'livenessProbe', readi: 'readinessProbe', start: 'startupProbe' }[probe], how]]
  })
  return {
    name,
    ...(image && { image }),
    ...(ports.length > 0 && { ports }),
    ...Object.fromEntries(probes),
    env: words.flatMap(word => (word.startsWith('PORT=') ? [{ name: 'PORT', value: word.slice(5) }] : [])),
  } as Container
}

const pod = (...containers: string[]): PodSpec => ({ containers: containers.map(container) })

/** What is decided without a word, because there is no choice. */
const SILENT: [port: number, ...containers: string[]][] = [
  [8080, 'app: 8080'],
  [8080, 'app: 8080/http'],
  [3000, 'app: 3000/web readiness=web'],
  [80, 'nginx: 80/http live=80'],
  [8080, 'app: 8080/http 9100/metrics'],
  [8080, 'app: 8080/http 8443/https'],
  [4000, 'phoenix: 4000/http 4369/epmd'],
  [6001, 'soketi: 6001/ws 9601/metrics'],
  [8000, 'centrifugo: 8000/http 9000/prometheus 10000/grpc'],
  [8765, 'server: 8765/websocket 8766U/media'],
  [5000, 'app: 5000/anything 53U/dns'],
  [8080, 'app: 8080', 'istio-proxy[registry.example/proxyv2:1]: 15090/http-envoy-prom'],
  [8080, 'app: 8080', 'redis[redis:7]: 6379'],
  [8080, 'app: 8080/http', 'nginx-exporter: 9113/http'],
  [9001, 'bridge: 1883/mqtt 9001/mqtt-ws'],
  [8083, 'broker: 1883/mqtt 8083/ws 8084/wss 8883/mqtts 4370/raft'],
  [7880, 'sfu: 7880/http 7881/rtc-turn 9090/prom'],
  [8123, 'home: live=8123'],
  [3000, 'app: readiness=3000 live=3000'],
  [9000, 'app: 9000/http 9000U/quic'],
  [443, 'app: 443/ws'],
  [9090, 'app: 9090'],
  [9944, 'node: 9944/rpc 30333/peers 9615/prometheus'],
  [15_675, 'broker: 5672/amqp 15675/web-mqtt 15692/prometheus'],
  [6901, 'desktop: 5901/vnc 6901/novnc readiness=tcp:5901'],
  [3000, 'room: 3000/http 30303/p2p'],
  [4000, 'phoenix: PORT=4000'],
  [8080, 'app: 8080 9100 readiness=9100 PORT=8080'],
  // A probe by HTTP says more than a word for a protocol, or a number.
  [7545, 'node: 7545/rpc 30303/p2p readiness=7545'],
  [8443, 'app: 8443 readiness=8443'],
]

/** What is decided, said and explained. */
const SAID: [port: number, because: RegExp, ...containers: string[]][] = [
  [21119, /named relay-ws/, 'relay: 21115/nat 21116/id-tcp 21117/relay 21119/relay-ws'],
  [3001, /container game-websocket/, 'game-frontend: 3000', 'game-websocket: 3001'],
  [9001, /something else/, 'broker: 1883 9001'],
  [8081, /named ws/, 'app: 8080/http 8081/ws'],
  [8081, /named websocket/, 'app: 8080/http 8081/websocket readiness=8080'],
  [6000, /named socketio/, 'app: 5000/web 6000/socketio'],
  [4000, /named realtime/, 'app: 3000/http 4000/realtime'],
  [8080, /readinessProbe asks/, 'app: 8080 9000 readiness=8080'],
  [3000, /readinessProbe asks/, 'app: 3000 3500 readiness=tcp:3000'],
  [80, /named http/, 'app: 80/http 81/other'],
  [8080, /named http/, 'app: 8080/http 8081/management readiness=8081'],
  [8080, /named http/, 'app: 8080/http readiness=8081'],
  [8080, /named http/, 'web: 8080/http 9000/fpm'],
  [5000, /named web/, 'app: 4000/api 5000/web-ui'],
  [8009, /named gameSocket/, 'app: 8008/data 8009/gameSocket'],
  [8080, /named http/, 'app: 8080/http 8081/admin'],
  [7000, /named ws1/, 'app: 7000/ws1 8000/http1'],
  [3000, /container websocket/, 'api: 4000 readiness=4000', 'websocket: 3000'],
  [8888, /readinessProbe asks/, 'app: 7777 8888 readiness=8888 live=tcp:7777'],
  [8080, /something else/, 'app: 8080 9090'],
  [2000, /container chat-web/, 'worker: 1000', 'chat-web: 2000'],
  // Probes ask what is not for users where that is a port of its own.
  [8000, /something else/, 'edge: 8000/edge-proxy 8001/edge-admin readiness=8001 live=8001'],
  [8000, /named external/, 'push: 8000/external 9000/internal readiness=9000 live=9000'],
  [8080, /named http/, 'app: 8080/http 9000/http-internal readiness=9000'],
  [8080, /named http/, 'app: 8080/http 8081/admin-api readiness=8081'],
  [7000, /named player-ws/, 'game: 7000/player-ws 7001/admin-ws readiness=7001'],
  // Numbers that are known for WebSockets.
  [8188, /port of Janus for WebSockets/, 'media: 8088 8188 readiness=8088'],
  [8546, /port of Ethereum for WebSockets/, 'node: 8545 8546 readiness=8545'],
  [15_674, /port of RabbitMQ/, 'broker: 5672 15672/management 15674 readiness=tcp:5672'],
  [8088, /named http/, 'media: 8088/http 8188 readiness=8088'],
  [26_657, /port of CometBFT/, 'node: 26656/p2p 26657/rpc 1317/api 9091/grpc-web readiness=26657'],
  [8545, /readinessProbe asks/, 'node: 8545/rpc 1317/api 30303/p2p readiness=8545'],
  [1317, /named api/, 'node: 26656/p2p 8545/rpc 1317/api'],
  [5000, /variable PORT/, 'app: 5000 6000 PORT=5000'],
  [8083, /named websocket/, 'broker: 8083/websocket 8084/websockets 18083/dashboard readiness=18083'],
  // Users log in at another container of the pod.
  [4180, /container oauth2-proxy stands before/, 'notebook: 8888/http readiness=8888', 'oauth2-proxy: 4180'],
  [
    4180,
    /container login stands before/,
    'chat: 8080/ws',
    'login[quay.example/oauth2-proxy:v7]: 4180/http 44180/metrics',
  ],
]

/** What is left to the user. */
const REFUSED: [says: RegExp, ...containers: string[]][] = [
  [/^Each of ports 8080 and 9000 could be/, 'app: 8080 9000'],
  [/^Each of ports 3000 and 4000 could be/, 'one: 3000', 'two: 4000'],
  [/^Each of ports 8080 and 8081 could be/, 'app: 8080 readiness=8081'],
  [/^Each of ports 80 \(http\), 3000 \(web\) and 4000 \(www\) could be/, 'app: 80/http 3000/web 4000/www'],
  [/^Each of ports 7000 \(ws-a\) and 7001 \(ws-b\) could be/, 'app: 7000/ws-a 7001/ws-b'],
  [/8443 \(https\) is for TLS/, 'app: 8443/https'],
  [/9100 \(metrics\) is for metrics/, 'app: 9100/metrics'],
  [/50051 is usually for gRPC/, 'app: 50051'],
  [/22 is usually for SSH; 8080 \(grpc\) is for another protocol/, 'app: 22 8080/grpc'],
  [/9443 \(app\) is asked by the readinessProbe with HTTPS/, 'app: 9443/app readiness=https:app'],
  [/7000 is asked by the livenessProbe with gRPC/, 'app: 7000 live=grpc:7000'],
  [/8086 \(http-metrics\) is for metrics/, 'app: 8086/http-metrics'],
  [/^Each of ports 8080 and 9090 could be/, 'app: 8080 9090 readiness=9090'],
  [/5900 \(vnc\) is for another protocol/, 'desktop: 5900/vnc'],
  [/^Each of ports 15674 \(web-stomp\) and 15675 \(web-mqtt\) could be/, 'broker: 15674/web-stomp 15675/web-mqtt'],
  [
    /8322 \(http\) is behind container oauth-proxy, which would be passed by; 8443 \(public\) is usually for HTTPS/,
    'oauth-proxy: 8443/public',
    'playground: 8322/http readiness=8322',
  ],
  [/8888 is behind container auth, which/, 'notebook: 8888', 'auth[example/keycloak-gatekeeper]'],
]

t.test('a pod with one port that it can be: nothing is said', async t => {
  for (const [port, ...containers] of SILENT) {
    t.strictSame(findAppPort(pod(...containers)), { ok: true, port, guessed: false }, containers.join(' + '))
  }
})

t.test('a pod with a choice: the port, and why', async t => {
  for (const [port, because, ...containers] of SAID) {
    const found = findAppPort(pod(...containers))
    t.match(found, { ok: true, port, guessed: false, choice: because }, containers.join(' + '))
    t.match(found, { choice: new RegExp(`^Of ports .*\\b${port}\\b.*/app-port\\.$`) })
  }
})

t.test('a pod that does not tell: refused, with the ports', async t => {
  for (const [says, ...containers] of REFUSED) {
    t.match(
      findAppPort(pod(...containers)),
      { ok: false, reason: 'ambiguous-port', message: says },
      containers.join(' + '),
    )
  }
})

t.test('a pod without any port, or with those of helpers only: guessed', async t => {
  for (const containers of [
    ['app'],
    ['app: 53U/dns'],
    ['app', 'istio-proxy: 15090/http-envoy-prom'],
    ['app', 'anything[registry.example:5000/team/postgres-exporter@sha256:00]: 9187'],
    ['app: live=grpc:'],
    ['app: PORT=http'],
    ['app: PORT=0', 'redis: PORT=6379'],
  ]) {
    t.strictSame(findAppPort(pod(...containers)), { ok: true, port: 3001, guessed: true }, containers.join(' + '))
  }
})

t.test('native sidecars and init containers are no app; a pod of helpers only is one', async t => {
  const native = { ...container('logger: 8080/http'), restartPolicy: 'Always' }
  const spec = { ...pod('app: 9000'), initContainers: [native, container('migrate: 7000/ws')] }
  t.match(findAppPort(spec), { port: 9000 })
  t.match(findAppPort(pod('envoy: 10000/http')), { port: 10_000 })
  t.strictSame(findAppPort(pod('oauth2-proxy: 4180/http')), { ok: true, port: 4180, guessed: false })
})

t.test('among ports that nothing tells apart, the one that runs already stays', async t => {
  t.match(findAppPort(pod('app: 8080 9000'), 9000), { ok: true, port: 9000 })
  t.match(findAppPort(pod('app: 8080 9000'), 7000), { ok: false })
  t.match(findAppPort(pod('app: 8080/http 9000/ws'), 8080), { port: 9000 }, 'a better one is taken')
})

t.test('a probe of another host says nothing', async t => {
  const asking = { name: 'app', readinessProbe: { httpGet: { host: 'example.com', port: 80 } } } as Container
  t.strictSame(candidatesOf({ containers: [asking] }), [])
})

t.test('the order of ports and containers means nothing', async t => {
  const all = [
    ...SILENT.map(([, ...rest]) => rest),
    ...SAID.map(([, , ...rest]) => rest),
    ...REFUSED.map(([, ...rest]) => rest),
  ]
  const shuffle = (spec: PodSpec, seed: number): PodSpec => {
    const order = <T>(list: readonly T[]) =>
      fc.sample(fc.shuffledSubarray([...list], { minLength: list.length }), { seed, numRuns: 1 })[0]!
    return {
      containers: order(spec.containers).map(one => ({ ...one, ...(one.ports && { ports: order(one.ports) }) })),
    }
  }
  const property = fc.property(fc.constantFrom(...all), fc.nat(), (containers, seed) => {
    const spec = pod(...containers)
    const [found, again] = [spec, shuffle(spec, seed)].map(one => JSON.stringify(findAppPort(one)))
    if (found !== again) throw new Error(`${containers.join(' + ')}: ${found} and ${again}`)
  })
  fc.assert(property, { seed: 12, numRuns: 500 })
  t.pass('500 orders')
})
