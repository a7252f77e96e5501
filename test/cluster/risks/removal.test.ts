import t, { type Test } from 'tap'
import { SIDECAR_CONTAINER } from '../../../lib/service/names.ts'
import type { KubeObject } from '../api.ts'
import { kubectlApply } from '../cluster.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, setUp } from './bench.ts'
import { app, type Place, sidecar, status } from './place.ts'

const POLICY = 'ws-operator-test-keep-sidecar'
/** As JSON patch: what the documentation tells users to run. */
const WITHOUT_OWNER = [{ op: 'remove', path: '/metadata/ownerReferences/0' }]

const template = ({ spec }: KubeObject) => spec.template

t.test('removal', async t => {
  const bench = await setUp(t)
  const place = await bench.place()
  await twoPhases(t, bench, place)
  await denied(t, bench, place)
  await remains(t, place)
})

async function twoPhases(t: Test, { hooks, stop, start }: Bench, place: Place): Promise<void> {
  await t.test('R6 Metacontroller that is killed between the two phases goes on later', async t => {
    const before = template(await place.send(app('killed', { labelled: false })))
    const injected = await place.label('killed')
    let second = 0
    hooks.between(({ path, object }, answer) => {
      if (path !== '/decorator/finalize' || sidecar(object)) return answer
      second += 1
      throw new Error('the test lets no second phase through')
    })
    await place.unlabel('killed')
    await waitFor('the second phase is asked for', async () => second > 0)
    const between = await place.get('killed')
    t.equal(sidecar(between), undefined, 'the first phase is done')
    t.same(between.metadata.finalizers, injected.metadata.finalizers, 'and the finalizer still there')
    await stop()
    hooks.between()
    t.same((await place.get('killed')).metadata.finalizers, injected.metadata.finalizers)
    await start()
    const released = await place.released('killed')
    t.same(template(released), before)
    t.equal(status(released), undefined)
  })
}

async function denied(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test('R6 a first phase that is denied is tried again, and the finalizer stays until it is done', async t => {
    const before = template(await place.send(app('denied', { labelled: false })))
    await place.label('denied')
    const remove = await denyRemoval(place, 'denied')
    await place.unlabel('denied')
    const calls = () =>
      hooks.calls.filter(({ path, object }) => /finalize/.test(path) && object.metadata.name === 'denied')
    await waitFor('removal was tried twice', async () => calls().length >= 2)
    const now = await place.get('denied')
    t.ok(sidecar(now), 'the sidecar is whole')
    t.ok(now.metadata.finalizers, 'and the Deployment not forgotten')
    await remove()
    t.same(template(await place.released('denied')), before)
  })
}

/** A policy that lets nobody take the sidecar out of a Deployment of a namespace. @returns what takes it away */
async function denyRemoval(place: Place, name: string): Promise<() => Promise<unknown>> {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const has = (object: string) =>
    `has(${object}.spec.template.spec.initContainers) && ${object}.spec.template.spec.initContainers.exists(c, c.name == '${SIDECAR_CONTAINER}')`
  const resourceRules = [
    { apiGroups: ['apps'], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['deployments'] },
  ]
  await kubectlApply({
    apiVersion,
    kind: 'ValidatingAdmissionPolicy',
    metadata: { name: POLICY },
    spec: {
      matchConstraints: { resourceRules },
      matchConditions: [{ name: 'had-it', expression: has('oldObject') }],
      validations: [{ expression: has('object'), message: 'the test keeps the sidecar' }],
    },
  })
  await kubectlApply({
    apiVersion,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name: POLICY },
    spec: {
      policyName: POLICY,
      validationActions: ['Deny'],
      matchResources: { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': place.namespace } } },
    },
  })
  const path = `/apis/apps/v1/namespaces/${place.namespace}/deployments/${name}?dryRun=All`
  const without = { spec: { template: { spec: { initContainers: null } } } }
  await waitFor('the policy is in force', () =>
    place.api.request('PATCH', path, without, 'application/merge-patch+json').then(
      () => false,
      () => true,
    ),
  )
  return () =>
    Promise.all(['', 'binding'].map(end => place.kubectl('delete', `validatingadmissionpolicy${end}`, POLICY)))
}

async function remains(t: Test, place: Place): Promise<void> {
  await t.test('R7 what is left is the reference of the Deployment to itself, which one line takes away', async t => {
    const before = await place.send(app('left', { labelled: false }))
    await place.label('left')
    await place.unlabel('left')
    const left = await place.released('left')
    const { name, uid } = before.metadata
    t.same(left.metadata.ownerReferences, [{ apiVersion: 'apps/v1', kind: 'Deployment', name, uid }])
    t.same(comparable(left), comparable(before), 'and nothing else')
    await waitFor('the Service is gone', async () => (await place.list('v1', 'Service')).length === 0)
    const cleaned = await place.patch('left', WITHOUT_OWNER, 'json')
    t.equal(cleaned.metadata.ownerReferences, undefined)
    const owners = async () => (await place.get('left')).metadata.ownerReferences
    t.ok(await stays('nobody puts it back', owners, undefined))
  })
}

/** A Deployment without what Kubernetes writes itself and without its owners. */
function comparable({ metadata, spec }: KubeObject): object {
  const { name, namespace, labels, finalizers, annotations = {} } = metadata
  const { 'deployment.kubernetes.io/revision': _, ...written } = annotations
  return { name, namespace, labels, finalizers, annotations: written, spec }
}
