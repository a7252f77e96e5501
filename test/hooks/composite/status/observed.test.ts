import t from 'tap'
import { failureOf, observePods } from '../../../../hooks/composite/status/observed.ts'
import type { ObservedObject } from '../../../../hooks/requests/schemas.ts'

const DONE = { type: 'Progressing', status: 'True', reason: 'NewReplicaSetAvailable', message: 'done' }
const SETTLED = {
  observedGeneration: 3,
  replicas: 2,
  readyReplicas: 2,
  updatedReplicas: 2,
  conditions: [DONE],
}

const deployment = (status: unknown, spec: unknown = { replicas: 2 }): ObservedObject =>
  ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'chat-balancer', namespace: 'team', uid: 'u', generation: 3 },
    spec,
    status,
  }) as ObservedObject

t.test('without a Deployment there are no pods to tell of', async t => {
  t.equal(observePods(undefined), undefined)
})

t.test('pods are counted as the Deployment’s status counts them', async t => {
  t.strictSame(observePods(deployment({ ...SETTLED, replicas: 3, readyReplicas: 1 })), {
    wanted: 2,
    replicas: 3,
    ready: 1,
    updated: 2,
    rolledOut: false,
    failure: undefined,
  })
})

t.test('a rollout is complete only when all of it is: seen, all pods new, none old, all available', async t => {
  const rolledOut = (change: object, spec?: object) =>
    observePods(deployment({ ...SETTLED, ...change }, spec))?.rolledOut
  t.equal(rolledOut({}), true)
  t.equal(rolledOut({ observedGeneration: 2 }), false, 'the newest spec is not seen yet')
  t.equal(rolledOut({ updatedReplicas: 1 }), false, 'a pod is missing')
  t.equal(rolledOut({ replicas: 3 }), false, 'an old pod is left')
  t.equal(rolledOut({ conditions: [{ ...DONE, reason: 'ReplicaSetUpdated' }] }), false, 'not all are available')
  t.equal(rolledOut({ conditions: [] }), false)
  t.equal(rolledOut({ replicas: 0, updatedReplicas: 0 }, { replicas: 0 }), true, 'scaled to zero')
})

t.test('a Deployment that says no number of pods has one, and a status that says nothing none', async t => {
  t.match(observePods(deployment(undefined, {})), { wanted: 1, replicas: 0, ready: 0, updated: 0, rolledOut: false })
  for (const status of [null, 'odd', { replicas: '2', readyReplicas: null, conditions: 'none' }])
    t.match(observePods(deployment(status)), { replicas: 0, ready: 0, rolledOut: false, failure: undefined })
})

const QUOTA = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' }
const LATE = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'It has timed out.' }

t.test('the cause of missing pods comes before the deadline that they miss, as a whole sentence', async t => {
  t.strictSame(failureOf([LATE, QUOTA]), { reason: 'FailedCreate', message: 'exceeded quota.' })
  t.strictSame(failureOf([LATE]), { reason: 'ProgressDeadlineExceeded', message: 'It has timed out.' })
  t.strictSame(failureOf([{ ...QUOTA, message: 'No!' }]), { reason: 'FailedCreate', message: 'No!' })
})

t.test('a failure that is over, or a rollout that goes on, is none', async t => {
  t.equal(failureOf([]), undefined)
  t.equal(failureOf([DONE, { ...QUOTA, status: 'False' }]), undefined)
  t.equal(failureOf([{ ...LATE, reason: 'ReplicaSetUpdated' }]), undefined)
})
