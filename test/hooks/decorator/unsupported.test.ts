import t from 'tap'
import type { Settings } from '../../../hooks/annotations/annotations.ts'
import { refuseSystem, refuseUnsupported } from '../../../hooks/decorator/unsupported.ts'
import { fresh } from '../deployments.ts'
import { plan } from '../plans.ts'

function refusedSystem(metadata: object) {
  const { object } = fresh()
  Object.assign(object.metadata, metadata)
  return refuseSystem(object)
}

t.test('Deployments of Kubernetes and of ws-operator are refused, others are not', async t => {
  for (const namespace of ['kube-system', 'kube-public', 'kube-node-lease']) {
    const refusal = refusedSystem({ namespace })
    t.match(refusal, { reason: 'system', message: `Namespace ${namespace} belongs to Kubernetes` })
  }
  const part = (of: string) => refusedSystem({ labels: { 'app.kubernetes.io/part-of': of } })
  t.match(part('ws-operator'), { reason: 'system', message: /is a part of ws-operator/ })
  for (const other of [part('chat'), refusedSystem({ labels: undefined }), refusedSystem({ namespace: 'kube-chat' })])
    t.equal(other, undefined)
})

const { sidecar } = plan()
const refused = (pod: object, settings: Settings = {}) => refuseUnsupported(fresh({}, pod).object, settings, sidecar)

t.test('pods on Windows are refused, however they say so', async t => {
  for (const pod of [{ os: { name: 'windows' } }, { nodeSelector: { 'kubernetes.io/os': 'windows' } }])
    t.match(refused(pod), { reason: 'windows', message: /run on Windows/ }, JSON.stringify(pod))
  for (const pod of [{}, { os: { name: 'linux' } }, { nodeSelector: { 'kubernetes.io/os': 'linux' } }, { os: null }])
    t.equal(refused(pod), undefined, JSON.stringify(pod))
})

t.test('discovery by the API server needs the token of the ServiceAccount', async t => {
  const without = { automountServiceAccountToken: false }
  t.match(refused(without, { discovery: 'kubernetes' }), { reason: 'no-account-token' })
  for (const [pod, settings] of [
    [without, {}],
    [without, { discovery: 'dns' }],
    [{}, { discovery: 'kubernetes' }],
    [{ automountServiceAccountToken: true }, { discovery: 'kubernetes' }],
  ] as const) {
    t.equal(refused(pod, settings), undefined, JSON.stringify([pod, settings]))
  }
})

t.test('a pod whose own resources are too small for the sidecar is refused', async t => {
  t.match(refused({ resources: { limits: { memory: '1Mi' } } }), { reason: 'pod-resources', message: /memory/ })
  t.equal(refused({ resources: { limits: { memory: '8Gi' } } }), undefined)
})
