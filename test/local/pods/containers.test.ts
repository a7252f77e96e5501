import type { Container } from 'kubernetes-types/core/v1.d.ts'
import t from 'tap'
import { type LocalPod, localContainerEnv, podPorts, preStopOf, programOf } from '../../../local/pods/containers.ts'

const pod: LocalPod = {
  name: 'chat-abcde',
  namespace: 'default',
  ip: '127.0.0.11',
  membersFile: '/tmp/members.json',
  port: port => port,
  entry: undefined,
}
const sidecar: Container = {
  name: 'websocket-proxy',
  image: 'ws-operator:0.1.0',
  args: ['/app/sidecar.js'],
  ports: [{ name: 'ws-proxy', containerPort: 3000 }],
  env: [
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'WS_OPERATOR_PORT', value: '3000' },
    { name: 'WS_OPERATOR_APP_PORT', value: '3001' },
    { name: 'WS_OPERATOR_SELF', value: '$(POD_IP):3000' },
    { name: 'WS_OPERATOR_DISCOVERY', value: 'dns' },
    { name: 'WS_OPERATOR_ROUTE', value: 'both' },
  ],
  readinessProbe: { httpGet: { path: '/readyz', port: 9090 } },
}
const app: Container = {
  name: 'chat',
  image: 'registry.example:5000/ws-operator-example-chat:0.1.0',
  ports: [{ name: 'http', containerPort: 3001 }],
  env: [{ name: 'PORT', value: '3001' }],
  readinessProbe: { httpGet: { path: '/healthz', port: 'http' } },
}

t.test('a sidecar has the environment of its spec, and what is different on this machine', async t => {
  t.strictSame(localContainerEnv(sidecar, pod), {
    POD_IP: '127.0.0.11',
    WS_OPERATOR_PORT: '3000',
    WS_OPERATOR_APP_PORT: '3001',
    WS_OPERATOR_SELF: '127.0.0.11:3000',
    WS_OPERATOR_ROUTE: 'both',
    WS_OPERATOR_HOST: '127.0.0.11',
    WS_OPERATOR_ADMIN_HOST: '127.0.0.11',
    WS_OPERATOR_APP_HOST: '127.0.0.11',
    WS_OPERATOR_DISCOVERY: 'file',
    WS_OPERATOR_MEMBERS_FILE: '/tmp/members.json',
  })
})

t.test('a port that is taken is another one for all who use it', async t => {
  const moved = { ...pod, port: (port: number) => port + 10_000 }
  t.match(localContainerEnv(sidecar, moved), {
    WS_OPERATOR_PORT: '13000',
    WS_OPERATOR_APP_PORT: '13001',
    WS_OPERATOR_ADMIN_PORT: '19090',
    WS_OPERATOR_SELF: '127.0.0.11:13000',
  })
  t.strictSame(localContainerEnv(app, moved), { PORT: '13001', HOST: '127.0.0.11' })
})

t.test('an app listens on the address of its pod', async t => {
  t.strictSame(localContainerEnv(app, pod), { PORT: '3001', HOST: '127.0.0.11' })
  t.strictSame(localContainerEnv({ name: 'bare' }, pod), { HOST: '127.0.0.11' })
})

t.test('a balancer listens where clients connect, and has its health on its own address', async t => {
  const env = [{ name: 'WS_OPERATOR_DISCOVERY', value: 'kubernetes' }]
  t.strictSame(localContainerEnv({ name: 'balancer', env }, { ...pod, entry: { host: '127.0.0.1', port: 8080 } }), {
    WS_OPERATOR_DISCOVERY: 'file',
    WS_OPERATOR_MEMBERS_FILE: '/tmp/members.json',
    WS_OPERATOR_HOST: '127.0.0.1',
    WS_OPERATOR_PORT: '8080',
    WS_OPERATOR_WORKERS: '1',
    WS_OPERATOR_ADMIN_HOST: '127.0.0.11',
  })
})

t.test('programs are found by what the container runs', async t => {
  t.equal(programOf(sidecar), 'sidecar/main.ts')
  t.equal(programOf({ name: 'balancer', args: ['/app/balancer.js'] }), 'balancer/main.ts')
  t.equal(programOf({ ...app, image: 'ws-operator-example-chat' }), 'examples/chat/app.mjs')
  t.throws(() => programOf({ name: 'db', image: 'postgres:18' }), /container db: .*postgres:18/)
})

t.test('preStop hooks: Node with programs of this repository, or a pause', async t => {
  const exec = (...command: string[]): Container => ({ name: 'chat', lifecycle: { preStop: { exec: { command } } } })
  t.equal(preStopOf(app), undefined)
  t.strictSame(preStopOf(exec('node', '/app/sidecar.js', 'drain')), { argv: ['sidecar/main.ts', 'drain'] })
  t.strictSame(preStopOf(exec('node', '-e', '1')), { argv: ['-e', '1'] })
  t.strictSame(preStopOf({ name: 'chat', lifecycle: { preStop: { sleep: { seconds: 5 } } } }), { seconds: 5 })
  t.throws(
    () => preStopOf(exec('sh', '-c', 'sleep 5')),
    /container chat: nothing on this machine runs its preStop hook .*"sh"/,
  )
})

t.test('the ports of a pod are those it declares and those its probes ask', async t => {
  t.strictSame(podPorts([sidecar, app]), [3000, 9090, 3001])
})
