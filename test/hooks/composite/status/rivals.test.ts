import t from 'tap'
import { childMetadata } from '../../../../hooks/composite/children/child-names.ts'
import { describeMetacontrollers, describeRivals } from '../../../../hooks/composite/status/rivals.ts'
import type { ObservedObject } from '../../../../hooks/requests/schemas.ts'

const UID = 'a-uid'
const child = childMetadata({ name: 'chat', namespace: 'team' }, 'chat')

/** A child as it is when these field managers have tied it to its owner. */
const tied = (managers: string[], annotations = {}): ObservedObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name: 'chat-balancer',
    namespace: 'team',
    uid: 'x',
    annotations,
    managedFields: [
      ...managers.map(manager => ({
        manager,
        operation: 'Apply',
        fieldsV1: { 'f:metadata': { 'f:ownerReferences': { [`k:{"uid":"${UID}"}`]: {} } } },
      })),
      { manager: 'kubectl-edit', operation: 'Update', fieldsV1: { 'f:spec': { 'f:ports': {} } } },
    ],
  },
})

t.test('a second Metacontroller is told by what it has written, in any order', async t => {
  t.strictSame(describeMetacontrollers([tied(['ws-operator'])], UID), [])
  t.strictSame(describeMetacontrollers([tied(['ws-operator', 'metacontroller'])], 'another'), [])
  const both = describeMetacontrollers([tied(['ws-operator', 'metacontroller'])], UID)
  t.match(both, [/^Two Metacontrollers have applied Service chat-balancer \(.*metacontroller and ws-operator\)/])
  t.strictSame(describeMetacontrollers([tied(['metacontroller', 'ws-operator'])], UID), both)
  const dynamic = { 'metacontroller.k8s.io/last-applied-configuration': '{}' }
  t.match(describeMetacontrollers([tied([]), tied(['ws-operator'], dynamic)], UID), [/one without server-side apply/])
})

t.test('an autoscaler of the balancer’s Deployment is told, unless it is ours or of another', async t => {
  const autoscaler = (name: string, target: object, owner?: string, namespace = 'team') => ({
    'HorizontalPodAutoscaler.autoscaling/v2': {
      [`${namespace}/${name}`]: {
        apiVersion: 'autoscaling/v2',
        kind: 'HorizontalPodAutoscaler',
        metadata: {
          name,
          namespace,
          uid: 'h',
          ownerReferences: owner ? [{ kind: 'WebSocketBalancer', name: 'chat', uid: owner, controller: true }] : [],
        },
        spec: { scaleTargetRef: target },
      },
    },
  })
  const deployment = { kind: 'Deployment', name: 'chat-balancer' }
  const rivals = (related: object) => describeRivals(child, UID, {}, related as never)
  t.match(rivals(autoscaler('mine', deployment)), /^HorizontalPodAutoscaler mine scales Deployment chat-balancer/)
  t.equal(rivals({}), undefined)
  t.equal(rivals(autoscaler('chat-balancer', deployment, UID)), undefined, 'ours')
  t.equal(rivals(autoscaler('mine', { kind: 'Deployment', name: 'chat' })), undefined, 'of the app')
  t.equal(rivals(autoscaler('mine', { kind: 'WebSocketBalancer', name: 'chat-balancer' })), undefined)
  t.equal(rivals(autoscaler('mine', deployment, undefined, 'other')), undefined, 'in another namespace')
})
