import t from 'tap'
import { loadBalancerConfig } from '../../balancer/config.ts'
import { balancerObjects } from '../../hooks/composite/children/balancer-objects.ts'
import { planSidecar } from '../../hooks/decorator/plan-sidecar.ts'
import type { DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { membersAt } from '../../lib/routing/discovery/endpoints.ts'
import { loadSidecarConfig } from '../../sidecar/config.ts'
import { config, recorded } from './helper.ts'

type Variable = { name: string; value?: string; valueFrom?: { fieldRef?: { fieldPath: string } } }

const POD: Record<string, string> = { 'status.podIP': '10.1.2.3', 'metadata.name': 'chat-abc' }

/** The environment of a container as the kubelet makes it: fields of the pod, then `$(NAME)` and `$$`. */
function environment(variables: readonly Variable[], address = POD['status.podIP']!): Record<string, string> {
  const pod: Record<string, string> = { ...POD, 'status.podIP': address }
  const env: Record<string, string> = {}
  for (const { name, value = '', valueFrom } of variables) {
    env[name] = valueFrom
      ? (pod[valueFrom.fieldRef?.fieldPath ?? ''] ?? '')
      : value.replace(/\$\$|\$\((\w+)\)/g, (text, key) => (text === '$$' ? '$' : (env[key] ?? text)))
  }
  return env
}

function sidecarEnv(annotations: Record<string, string>, address?: string) {
  const { object } = recorded<DecoratorRequest>('decorator-sync-first')
  object.metadata.annotations = annotations
  const planned = planSidecar(object, config)
  if (!planned.ok) throw new Error(planned.message)
  return environment(planned.plan.sidecar.env as Variable[], address)
}

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

t.test('a balancer starts with what it is given', async t => {
  const env = (spec: Parameters<typeof balancerObjects>[1]) => {
    const objects = balancerObjects({ name: 'chat', namespace: 'team' }, spec, config)
    const deployment = objects.find(({ kind }) => kind === 'Deployment') as { spec: DecoratorRequest['object']['spec'] }
    return environment(deployment.spec.template.spec.containers[0]!.env as Variable[])
  }
  t.match(loadBalancerConfig(env({ target: 'chat' })), {
    PORT: 3000,
    DISCOVERY: 'kubernetes',
    SERVICE: 'team/chat-ws-proxy-headless',
    INSTANCE: 'chat-abc',
    TARGET: 'team/chat',
    REHOME: 'transparent',
    REHOME_HELLO: 'none',
    REBALANCE: 'gradual',
    SHUTDOWN_SECONDS: 20,
  })
  const full = {
    target: 'chat',
    backend: { service: 'members' },
    routing: { key: 'cookie:u', onMissing: 'reject' as const },
    rehome: 'close' as const,
    rehomeHello: 'first-text' as const,
    rebalance: { policy: 'off' as const, maxMovesPerSecond: 7, delaySeconds: 0 },
  }
  t.match(loadBalancerConfig(env({ ...full, drainSeconds: 5, exposeTopology: true, logLevel: 'warn' })), {
    SERVICE: 'team/members',
    // The pods of a Service that a user has named may be of several Deployments.
    TARGET: '',
    ON_MISSING_KEY: 'reject',
    REHOME: 'close',
    REHOME_HELLO: 'first-text',
    REBALANCE: 'off',
    MAX_MOVES_PER_SECOND: 7,
    REBALANCE_DELAY_SECONDS: 0,
    SHUTDOWN_SECONDS: 5,
    EXPOSE_TOPOLOGY: true,
    LOG_LEVEL: 'warn',
  })
  const made = { target: 'chat', targetUID: 'u', backend: { service: 'members' } }
  t.match(loadBalancerConfig(env(made)), { SERVICE: 'team/members', TARGET: 'team/chat' }, 'one that we have made')
})
