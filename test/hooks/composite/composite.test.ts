import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { syncBalancer } from '../../../hooks/composite/composite.ts'
import type { BalancerSpec } from '../../../hooks/composite/spec/balancer-spec.ts'
import type { CompositeRequest, ObservedObject } from '../../../hooks/requests/schemas.ts'
import { applyChildren, scaleBy } from '../apply-model.ts'
import { config, recorded } from '../helper.ts'

const request = () => recorded<CompositeRequest>('composite-sync-with-children')
type Child = {
  kind: string
  metadata: { name: string; namespace: string }
  spec?: { selector?: object }
  roleRef?: object
}
const childrenOf = (call: CompositeRequest) => syncBalancer(call, config).response.children as unknown as Child[]

t.test('six children, all with names of their own', async t => {
  const children = childrenOf(request())
  t.strictSame(
    children.map(({ kind }) => kind),
    ['ServiceAccount', 'Role', 'RoleBinding', 'Deployment', 'Service', 'PodDisruptionBudget'],
  )
  for (const { kind, metadata } of children) {
    t.match(metadata, { name: 'chat-balancer', namespace: 'default', labels: { 'ws.operator/target': 'chat' } }, kind)
  }
})

t.test('what cannot be changed later depends on the name only', async t => {
  const changed = request()
  changed.parent.spec = {
    target: 'other',
    backend: { service: 'members' },
    replicas: 7,
    service: { port: 8080, type: 'LoadBalancer' },
    logLevel: 'debug',
  }
  const fixed = (call: CompositeRequest) =>
    childrenOf(call).flatMap(({ kind, spec, roleRef }) =>
      kind === 'Deployment' || kind === 'RoleBinding' ? [spec?.selector ?? roleRef] : [],
    )
  t.strictSame(fixed(changed), fixed(request()))
})

t.test('the same request gets the same answer, whatever status it carries', async t => {
  const first = syncBalancer(request(), config).response
  const again = request()
  again.parent.status = { ...first.status, observedGeneration: 1 }
  t.strictSame(syncBalancer(again, config).response, first)
})

/** Specs that the API server takes. */
const specs = fc
  .record(
    {
      replicas: fc.integer({ min: 0, max: 9 }),
      autoscaling: fc.record({
        minReplicas: fc.integer({ min: 1, max: 3 }),
        maxReplicas: fc.integer({ min: 3, max: 9 }),
        targetConnectionsPerPod: fc.constantFrom(500, 5000),
      }),
      drainSeconds: fc.integer({ min: 1, max: 3600 }),
      service: fc.record({ type: fc.constantFrom('ClusterIP', 'LoadBalancer'), port: fc.constantFrom(80, 443) }),
      resources: fc.record({ limits: fc.record({ memory: fc.constantFrom('64Mi', '2048Mi') }) }),
      nodeSelector: fc.constant({ pool: 'edge' }),
      tolerations: fc.constant([{ operator: 'Exists' }]),
    },
    { requiredKeys: [] },
  )
  .map(({ replicas, ...spec }) => ({
    target: 'chat',
    ...spec,
    ...(spec.autoscaling || replicas === undefined ? {} : { replicas }),
  }))

/** What happens to a balancer: its spec is changed, or somebody scales its Deployment. */
const events = fc.array(fc.oneof(specs, fc.integer({ min: 0, max: 9 })), { minLength: 1, maxLength: 6 })

/** Syncs once and applies the answer. */
function settle(call: CompositeRequest): CompositeRequest {
  const { status, children } = syncBalancer(call, config).response
  const next = applyChildren(call, children)
  next.parent.status = status
  return next
}

const childDeployment = ({ children }: CompositeRequest) => children['Deployment.apps/v1']?.['chat-balancer']
const podsOf = (call: CompositeRequest) =>
  (childDeployment(call) as { spec?: { replicas?: number } } | undefined)?.spec?.replicas

t.test('whatever happens, two syncs settle it, and the number of pods is whose it should be', async t => {
  const property = fc.property(events, list => {
    let now = recorded<CompositeRequest>('composite-sync-first')
    for (const event of list) {
      const before = podsOf(now)
      const autoscaled = (now.parent.spec as BalancerSpec).autoscaling !== undefined
      if (typeof event === 'number') {
        const deployment = childDeployment(now)
        if (deployment) scaleBy('kube-controller-manager', deployment, event)
      } else now.parent.spec = event
      now = settle(settle(now))
      const { response } = syncBalancer(now, config)
      const again = applyChildren(now, response.children)
      assert.deepStrictEqual(again, now, 'another sync changes nothing')
      assert.deepStrictEqual(response.status, now.parent.status, 'the status stays')
      const { autoscaling, replicas = 2 } = now.parent.spec as BalancerSpec
      if (!autoscaling) assert.equal(podsOf(now), replicas)
      else if (typeof event === 'number') {
        if (before !== undefined && autoscaled) assert.equal(podsOf(now), event, 'the autoscaler decides')
      } else if (before) assert.equal(podsOf(now), before, 'turning it on changes nothing yet')
    }
  })
  t.doesNotThrow(() => fc.assert(property, { seed: 20_261_125, numRuns: 200 }))
})

t.test('an object with the name of a child is not touched, whatever its kind', async t => {
  for (const { kind, apiVersion } of childrenOf(request()) as unknown as ObservedObject[]) {
    const call = recorded<CompositeRequest>('composite-sync-first')
    const metadata = { name: 'chat-balancer', namespace: 'default', uid: 'of a user' }
    call.related = { [`${kind}.${apiVersion}`]: { 'default/chat-balancer': { apiVersion, kind, metadata } } }
    const { outcome, response } = syncBalancer(call, config)
    t.equal(outcome, 'refused')
    t.match(response.status.conditions[0], { status: 'False', reason: 'NameTaken', message: `${kind} chat-balancer` })
    t.strictSame(response.children, [])
  }
})

t.test('of autoscalers only one that is in the way is one', async t => {
  const call = request()
  const apiVersion = 'autoscaling/v2'
  const kind = 'HorizontalPodAutoscaler'
  const metadata = { name: 'chat-balancer', namespace: 'default', uid: 'of a user' }
  call.related = { [`${kind}.${apiVersion}`]: { 'default/chat-balancer': { apiVersion, kind, metadata } } }
  t.not(syncBalancer(call, config).outcome, 'refused')
  call.parent.spec = { target: 'chat', autoscaling: { minReplicas: 1, maxReplicas: 2 } }
  t.equal(syncBalancer(call, config).outcome, 'refused')
})

t.test('EndpointSlices of the wrong shape are not counted', async t => {
  for (const endpoints of [3, [null], [{ addresses: 7 }]]) {
    const call = request()
    const labels = { 'kubernetes.io/service-name': 'chat-ws-proxy-headless' }
    const slice = {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'x', namespace: 'default', uid: '1', labels },
      addressType: 'IPv4',
      ports: [{ name: 'ws-proxy', port: 3000 }],
      endpoints,
    }
    call.related = { 'EndpointSlice.discovery.k8s.io/v1': { 'default/x': slice } }
    t.equal(syncBalancer(call, config).response.status.members, undefined)
  }
})

t.test('a status of the wrong shape is no status', async t => {
  const odd = request()
  for (const status of [null, 3, { conditions: 'x', replicas: 'two' }, { conditions: [null, 3] }]) {
    Object.assign(odd.children['Deployment.apps/v1']!['chat-balancer']!, { status })
    t.match(syncBalancer(odd, config).response.status, { replicas: 0, conditions: [{ status: 'False' }] })
  }
})
