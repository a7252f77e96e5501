import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { syncBalancer } from '../../../hooks/composite/composite.ts'
import type { BalancerSpec } from '../../../hooks/composite/spec/balancer-spec.ts'
import type { CompositeRequest } from '../../../hooks/requests/schemas.ts'
import { applyChildren, scaleBy } from '../apply-model.ts'
import { config, recorded } from '../helper.ts'

const request = () => recorded<CompositeRequest>('composite-sync-with-children')

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

t.test('a status of the wrong shape is no status', async t => {
  const odd = request()
  for (const status of [null, 3, { conditions: 'x', replicas: 'two' }, { conditions: [null, 3] }]) {
    Object.assign(odd.children['Deployment.apps/v1']!['chat-balancer']!, { status })
    t.match(syncBalancer(odd, config).response.status, { replicas: 0, conditions: [{ status: 'False' }] })
  }
})
