import { readFileSync } from 'node:fs'
import t from 'tap'
import { membersAt } from '../../../lib/routing/discovery/endpoints.ts'
import { readStage } from '../../../scripts/image/dockerfile.ts'
import { rootfs } from '../../../scripts/image/rootfs.ts'
import { loadSidecarConfig } from '../../../sidecar/config.ts'
import { balancerPod, environment, plan } from '../plans.ts'

const root = new URL('../../../', import.meta.url)
const stage = readStage(readFileSync(new URL('Dockerfile', root), 'utf8'), 'ws-operator')

const sidecarEnv = (annotations: Record<string, string>, address?: string) =>
  environment(plan(annotations).sidecar.env, address)

t.test('a sidecar knows its own name as others know it, or says at once that it cannot', async t => {
  const self = (address: string) =>
    loadSidecarConfig({ ...sidecarEnv({}), WS_OPERATOR_SELF: sidecarEnv({}, address)['WS_OPERATOR_SELF'] }).SELF
  t.equal(self('10.1.2.3'), '10.1.2.3:3000')
  t.equal(self('FD00:0::5'), membersAt([{ address: 'fd00::5', port: 3000 }])[0]?.name)
  t.throws(() => self(''), { message: /^WS_OPERATOR_SELF: bad member ":3000": expected host:port/ })
})

t.test('a sidecar starts with what it is given', async t => {
  const plain = loadSidecarConfig(sidecarEnv({}))
  t.match(plain, {
    PORT: 3000,
    APP_PORT: 3001,
    SELF: '10.1.2.3:3000',
    INSTANCE: 'chat-abc',
    DISCOVERY: 'dns',
    SRV_DNS_RECORD: '_ws-proxy._tcp.chat-ws-proxy-headless.default.svc.cluster.local.',
    TARGET: 'default/chat',
    RECEIPTS: false,
    EXPOSE_TOPOLOGY: false,
    DRAIN_SECONDS: 20,
    SHUTDOWN_SECONDS: 5,
  })
  const env = sidecarEnv({
    'ws.operator/routing-key': 'path:^/room/([^/]+)$',
    'ws.operator/recipient-field': '$$to-$(POD_IP)',
    'ws.operator/route': 'both',
    'ws.operator/deliver': 'client',
    'ws.operator/transport': 'http',
    'ws.operator/discovery': 'kubernetes',
    'ws.operator/log-level': 'debug',
    'ws.operator/receipts': 'true',
    'ws.operator/expose-topology': 'true',
    'ws.operator/drain-seconds': '60',
    'ws.operator/sidecar-port': '9090',
  })
  t.equal(env['WS_OPERATOR_ROUTING_KEY'], 'path:^/room/([^/]+)$', 'text of the user is not expanded')
  t.match(loadSidecarConfig(env), {
    PORT: 9090,
    ADMIN_PORT: 19_090,
    SELF: '10.1.2.3:9090',
    RECIPIENT_FIELD: '$$to-$(POD_IP)',
    ROUTE: 'both',
    DELIVER: 'client',
    TRANSPORT: 'http',
    SERVICE: 'default/chat-ws-proxy-headless',
    LOG_LEVEL: 'debug',
    RECEIPTS: true,
    EXPOSE_TOPOLOGY: true,
    DRAIN_SECONDS: 60,
    SHUTDOWN_SECONDS: 5,
  })
})

t.test('what runs before a container ends is in the image', async t => {
  const { lifecycle } = plan().sidecar
  t.strictSame(lifecycle?.preStop?.exec?.command, ['node', '/app/sidecar.js', 'drain'])
  for (const command of [
    lifecycle?.preStop?.exec?.command,
    balancerPod().container.lifecycle?.preStop?.exec?.command,
  ]) {
    t.equal(command?.[0], stage.entrypoint[0])
    for (const path of command?.filter(word => word.startsWith('/')) ?? []) t.ok(stage.files.has(path), path)
  }
})

const elsewhere = process.platform !== 'linux' && 'such images are packed on Linux only'

t.test('also in an image that was packed without an engine', { skip: elsewhere }, async t => {
  const own = { ...stage, files: new Map() }
  // In the PATH that container runtimes set where an image sets none.
  t.ok(rootfs(own, root.pathname).some(({ path }) => path === 'usr/local/bin/node'))
})

t.test('both kinds of sidecar are drained before they get SIGTERM', async t => {
  const classic = plan({ 'ws.operator/sidecar-mode': 'classic' })
  t.equal(classic.list, 'containers')
  t.strictSame(classic.sidecar.lifecycle, plan().sidecar.lifecycle)
})

t.test('the grace period is never written: it is the user who says how long the app takes', async t => {
  const response = JSON.stringify(plan({ 'ws.operator/drain-seconds': '3600' }).sidecar)
  t.notMatch(response, 'terminationGracePeriodSeconds')
})
