import t from 'tap'
import { loadBalancerConfig } from '../../../../balancer/config.ts'
import { deploymentObject } from '../../../../hooks/composite/children/pods.ts'
import type { BalancerSpec } from '../../../../hooks/composite/spec/balancer-spec.ts'
import { loadHooksConfig } from '../../../../hooks/config.ts'
import { balancerPod, environment } from '../../plans.ts'

t.test(
  'all new balancers are there before an old one goes, and all old ones have left the Service before one closes',
  async t => {
    const metadata = { name: 'chat-balancer', namespace: 'team', labels: {} }
    const rendering = loadHooksConfig({})
    for (const replicas of [undefined, 1, 2, 30]) {
      const { spec } = deploymentObject(metadata, { target: 'chat' }, replicas, rendering)
      t.strictSame(spec?.strategy?.rollingUpdate, { maxUnavailable: 0, maxSurge: '100%' })
      const pod = spec?.template.spec
      const container = pod?.containers[0]
      // The first old one goes when the first new one has been ready for this long, and the last one as long after it as the last new one got ready.
      t.ok((spec?.minReadySeconds ?? 0) > 10)
      const wait = container?.lifecycle?.preStop?.exec?.command?.at(-1) ?? ''
      t.ok(
        Number(/(\d+)\)$/.exec(wait)?.[1]) >= 5000,
        'an old one closes its clients only when every node has forgotten it',
      )
    }
  },
)

t.test('a balancer starts with what it is given', async t => {
  const env = (spec: BalancerSpec) => environment(balancerPod(spec).container.env)
  t.match(loadBalancerConfig(env({ target: 'chat' })), {
    PORT: 3000,
    DISCOVERY: 'kubernetes',
    SERVICE: 'team/chat-ws-proxy-headless',
    INSTANCE: 'chat-abc',
    TARGET: 'team/chat',
    REHOME: 'auto',
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

t.test('a balancer has the time that it takes to wait and to close its clients', async t => {
  for (const drainSeconds of [undefined, 1, 3600]) {
    const { pod, container } = balancerPod({ drainSeconds } as BalancerSpec)
    const [, , wait = ''] = container.lifecycle?.preStop?.exec?.command ?? []
    const [, waitMs] = /^setTimeout\(\(\) => \{\}, (\d+)\)$/.exec(wait) ?? []
    const shutdown = container.env?.find(({ name }) => name === 'WS_OPERATOR_SHUTDOWN_SECONDS')?.value
    t.equal(shutdown, String(drainSeconds ?? 20))
    t.ok(Number(waitMs) >= 3000)
    t.ok(pod.terminationGracePeriodSeconds! >= Number(waitMs) / 1000 + Number(shutdown) + 3)
  }
})
