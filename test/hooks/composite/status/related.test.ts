import t from 'tap'
import { syncBalancer } from '../../../../hooks/composite/composite.ts'
import type { CompositeRequest, ObservedObject } from '../../../../hooks/requests/schemas.ts'
import { config, recorded } from '../../helper.ts'

const request = () => recorded<CompositeRequest>('composite-sync-with-children')

t.test('an object with the name of a child is not touched, whatever its kind', async t => {
  for (const { kind, apiVersion } of syncBalancer(request(), config).response.children as ObservedObject[]) {
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
