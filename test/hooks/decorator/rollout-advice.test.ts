import t from 'tap'
import { OPERATOR_VERSION } from '../../../hooks/config.ts'
import { isRollingOut, rolloutAdvice, upgradeAdvice } from '../../../hooks/decorator/rollout-advice.ts'
import type { Deployment } from '../../../hooks/requests/schemas.ts'
import { fresh } from '../deployments.ts'
import { recorded } from '../helper.ts'

function deployment(status: unknown, spec: object = {}): Deployment {
  const { object } = fresh()
  Object.assign(object.metadata, { name: 'chat', namespace: 'team', generation: 4 })
  Object.assign(object.spec, { replicas: 2, ...spec })
  return { ...object, status }
}

const LATE = { type: 'Progressing', status: 'False', reason: 'ProgressDeadlineExceeded', message: 'timed out' }
const QUOTA = { type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota' }

t.test('a rollout without a failure needs no advice', async t => {
  for (const status of [undefined, null, 'odd', { conditions: [] }, { conditions: [{ ...QUOTA, status: 'False' }] }])
    t.strictSame(rolloutAdvice(deployment(status)), [], JSON.stringify(status))
})

t.test('pods that cannot be made are told in the words of Kubernetes', async t => {
  t.strictSame(rolloutAdvice(deployment({ conditions: [LATE, QUOTA] })), [
    'No pod can be made (FailedCreate): exceeded quota.',
  ])
})

t.test('for a stuck rollout the advice says where to look, and names the image of the sidecar', async t => {
  const { object } = recorded<{ object: Deployment }>('decorator-sync-settled')
  const [advice] = rolloutAdvice({ ...object, status: { conditions: [LATE] } })
  const { name, namespace } = object.metadata
  t.match(advice, /^The rollout is stuck \(ProgressDeadlineExceeded\)\./)
  const [sidecar] = object.spec.template.spec.initContainers as unknown as { image: string }[]
  t.match(advice, `its image ${sidecar!.image} can be pulled`)
  t.match(advice, `kubectl logs -n ${namespace} deployment/${name} -c websocket-proxy.`)
})

const SETTLED = { observedGeneration: 4, replicas: 2, updatedReplicas: 2, availableReplicas: 2 }

const ROLLOUTS: readonly (readonly [what: string, rolling: boolean, status: unknown, spec?: object])[] = [
  ['all pods are new and available', false, SETTLED],
  ['the newest spec is not seen yet', true, { ...SETTLED, observedGeneration: 3 }],
  ['a pod is still old', true, { ...SETTLED, updatedReplicas: 1 }],
  ['a pod is not available', true, { ...SETTLED, availableReplicas: 1 }],
  ['a pod too many is left', true, { ...SETTLED, replicas: 3 }],
  ['no pods are wanted, and none is left', false, { observedGeneration: 4 }, { replicas: 0 }],
  ['one pod is wanted where nothing is said', true, SETTLED, { replicas: undefined }],
  ['its controller has not seen it', false, {}],
  ['it has no status', false, undefined],
]

t.test('a rollout goes on until all pods are new, available and no more than wanted', async t => {
  for (const [what, rolling, status, spec] of ROLLOUTS) t.equal(isRollingOut(deployment(status, spec)), rolling, what)
})

t.test('a newer sidecar is announced, with both ways to get it', async t => {
  const advice = upgradeAdvice(deployment({}), { name: 'websocket-proxy', image: 'ws-operator:new' })
  t.match(advice, `ws-operator ${OPERATOR_VERSION} has another sidecar (image ws-operator:new)`)
  t.match(advice, 'kubectl rollout restart -n team deployment/chat')
  t.match(advice, 'ws.operator/sidecar-upgrade: now')
})
