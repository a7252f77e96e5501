import t from 'tap'
import { autoscalerObject, replicasOf } from '../../../../hooks/composite/children/autoscaler.ts'
import type { ObservedObject } from '../../../../hooks/requests/schemas.ts'

const metadata = { name: 'chat-balancer', namespace: 'default', labels: {} }
const limits = { minReplicas: 2, maxReplicas: 5 }
const autoscaled = { target: 'chat', autoscaling: limits }

/** A Deployment of a balancer, and who has set how many pods it has. */
function deployment(replicas: number, ...owners: ('us' | 'another')[]): ObservedObject {
  const ours = { 'f:metadata': { 'f:ownerReferences': { 'k:{"uid":"1"}': {} } } }
  const entries = owners.map(owner => ({
    manager: owner,
    operation: owner === 'us' ? 'Apply' : 'Update',
    fieldsV1: { ...(owner === 'us' && ours), 'f:spec': { 'f:replicas': {} } },
  }))
  const managedFields = owners.includes('us') ? entries : [{ operation: 'Apply', fieldsV1: ours }, ...entries]
  const ownerReferences = [{ kind: 'WebSocketBalancer', name: 'chat', uid: '1', controller: true }]
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { ...metadata, uid: '2', ownerReferences, managedFields },
    spec: { replicas },
  } as ObservedObject
}

t.test('without an autoscaler the number of pods is the spec’s', async t => {
  for (const observed of [undefined, deployment(7, 'us'), deployment(7, 'another')]) {
    t.equal(replicasOf({ target: 'chat' }, observed), 2)
    t.equal(replicasOf({ target: 'chat', replicas: 0 }, observed), 0)
  }
})

t.test('with one, a number that only we have said is repeated, and any other is left alone', async t => {
  t.equal(replicasOf(autoscaled, undefined), 2, 'something to begin with')
  t.equal(replicasOf(autoscaled, deployment(4, 'us')), 4)
  t.equal(replicasOf(autoscaled, deployment(0, 'us')), 2, 'an autoscaler does nothing about none')
  t.equal(replicasOf(autoscaled, deployment(4, 'another')), undefined)
  t.equal(replicasOf(autoscaled, deployment(4, 'us', 'another')), undefined)
  t.equal(replicasOf(autoscaled, deployment(0, 'another')), undefined, 'somebody has put it to sleep')
  t.equal(replicasOf(autoscaled, deployment(4)), undefined)
})

t.test('what it aims at, as the API server writes it', async t => {
  const metrics = (more: object) => autoscalerObject(metadata, { ...limits, ...more }).spec?.metrics
  t.match(metrics({}), [{ containerResource: { container: 'balancer', target: { averageUtilization: 70 } } }])
  t.equal(metrics({})?.length, 1)
  for (const [given, text] of [
    [999, '999'],
    [1500, '1500'],
    [5000, '5k'],
    [1_000_000, '1M'],
  ] as const) {
    t.match(metrics({ targetConnectionsPerPod: given })?.[1], {
      pods: { metric: { name: 'ws_operator_connections' }, target: { averageValue: text } },
    })
  }
})
