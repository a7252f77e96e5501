import assert from 'node:assert/strict'
import t from 'tap'
import { loadHooksConfig } from '../../../hooks/config.ts'
import { finalizeDeployment, syncDeployment } from '../../../hooks/decorator/decorator.ts'
import type { DecoratorRequest } from '../../../hooks/requests/schemas.ts'
import { applyAnswer } from '../apply-model.ts'
import { fresh, holds } from '../deployments.ts'
import { config, recorded } from '../helper.ts'

const sync = (request: DecoratorRequest) => syncDeployment(request, config)
const withoutManagedFields = ({ object }: DecoratorRequest) => ({
  ...object,
  metadata: { ...object.metadata, managedFields: undefined },
})

t.test('after two rounds, another one changes nothing', async t => {
  holds(t, request => {
    const first = sync(request)
    const injected = applyAnswer(request, first.response)
    const second = sync(injected)
    const settled = applyAnswer(injected, second.response)
    const third = sync(settled)
    assert.equal(first.outcome, 'pending')
    assert.equal(second.outcome, 'injected')
    assert.deepStrictEqual(second.response.attachments, first.response.attachments, 'the same things are asked for')
    assert.equal(third.response.resyncAfterSeconds, undefined, 'nothing is waited for')
    assert.deepStrictEqual(applyAnswer(settled, third.response), settled, 'nothing is left to do')
  })
})

t.test('removal takes away exactly what was added', async t => {
  holds(t, request => {
    let now = request
    for (let round = 0; round < 3; round++) now = applyAnswer(now, sync(now).response)
    const phase1 = finalizeDeployment({ ...now, finalizing: true })
    assert.equal(phase1.response.finalized, false)
    now = applyAnswer(now, phase1.response)
    const phase2 = finalizeDeployment({ ...now, finalizing: true })
    assert.equal(phase2.response.finalized, true)
    now = applyAnswer(now, phase2.response)
    assert.deepStrictEqual(now.object.spec, request.object.spec, 'the spec is the one that the user wrote')
    assert.deepStrictEqual(now.object.metadata.annotations, request.object.metadata.annotations)
    assert.deepStrictEqual(now.attachments, {}, 'nothing else is left')
  })
})

t.test('containers of the user are never part of an answer, and stay as they are', async t => {
  holds(t, request => {
    const { response } = sync(request)
    for (const { kind, spec } of response.attachments) {
      if (kind !== 'Deployment') continue
      const pod = (spec as DecoratorRequest['object']['spec']).template.spec
      const names = [...(pod.containers ?? []), ...(pod.initContainers ?? [])].map(({ name }) => name)
      assert.deepStrictEqual(names, ['websocket-proxy'])
      assert.deepStrictEqual(Object.keys(spec as object), ['template'], 'no replicas, no selector')
    }
    const ours = ({ name }: { name: string }) => name !== 'websocket-proxy'
    const after = applyAnswer(request, response).object.spec.template.spec
    assert.deepStrictEqual(after.containers.filter(ours), request.object.spec.template.spec.containers)
    assert.deepStrictEqual(
      after.initContainers?.filter(ours) ?? [],
      request.object.spec.template.spec.initContainers ?? [],
    )
  })
})

t.test('a change of mode moves the sidecar, it is never there twice', async t => {
  const request = fresh()
  const native = applyAnswer(request, sync(request).response)
  native.object.metadata.annotations!['ws.operator/sidecar-mode'] = 'classic'
  const result = sync(native)
  t.equal(result.outcome, 'injected')
  const { containers, initContainers } = applyAnswer(native, result.response).object.spec.template.spec
  t.strictSame(
    containers.map(({ name }) => name),
    ['app', 'websocket-proxy'],
  )
  t.equal(initContainers, undefined)
})

t.test('a bad annotation on an injected Deployment leaves everything as it was', async t => {
  let now = fresh({ 'ws.operator/headless-service': 'members-ws-proxy-headless' })
  for (let round = 0; round < 2; round++) now = applyAnswer(now, sync(now).response)
  now.object.metadata.annotations!['ws.operator/drain-seconds'] = 'soon'
  const refused = sync(now)
  t.equal(refused.outcome, 'refused')
  const after = applyAnswer(now, refused.response)
  t.strictSame(after.attachments, now.attachments)
  t.strictSame(after.object.spec, now.object.spec)
  t.notOk(refused.response.attachments.some(({ kind }) => kind === 'Deployment'))
  now = applyAnswer(after, sync(after).response)
  t.strictSame(now, after, 'and again')
})

t.test(
  'a bad annotation while the sidecar is missing leaves its Service and its balancer, and does not bring it back',
  async t => {
    const injected = settled(fresh())
    const replaced = structuredClone(injected)
    // As kubectl replace does.
    delete replaced.object.spec.template.spec.initContainers
    replaced.object.metadata.managedFields = replaced.object.metadata.managedFields!.slice(1)
    replaced.object.metadata.annotations!['ws.operator/drain-seconds'] = 'soon'
    const { outcome, response } = sync(replaced)
    t.equal(outcome, 'refused')
    const after = applyAnswer(replaced, response)
    t.strictSame(after.attachments, injected.attachments)
    t.strictSame(after.object.spec, replaced.object.spec)
    delete after.object.metadata.annotations!['ws.operator/drain-seconds']
    t.strictSame(settled(after).object.spec, injected.object.spec, 'mended')
  },
)

/** The request that follows when everything is done. */
function settled(request: DecoratorRequest): DecoratorRequest {
  let now = request
  for (let round = 0; round < 3; round++) now = applyAnswer(now, sync(now).response)
  return now
}

t.test(
  'the message names the ports of the sidecar that is there, also where a newer one would have others',
  async t => {
    const older = settled(fresh())
    const [sidecar] = older.object.spec.template.spec.initContainers as unknown as {
      ports: { containerPort: number }[]
      env: { name: string; value?: string }[]
    }[]
    const newer = loadHooksConfig({ WS_OPERATOR_IMAGE: 'ws-operator:newer' })
    const message = () =>
      syncDeployment(older, newer).response.annotations?.['ws.operator/status-message']?.replace(/\..*/, '')
    t.equal(message(), 'Sidecar on port 3000, app on port 3001')
    sidecar!.ports[0]!.containerPort = 13_000
    sidecar!.env.find(({ name }) => name === 'WS_OPERATOR_APP_PORT')!.value = '8080'
    older.object.metadata.annotations!['ws.operator/sidecar-revision'] = ''
    t.equal(message(), 'Sidecar on port 13000, app on port 8080')
  },
)

t.test('nothing is ever applied to a Deployment that is being deleted', async t => {
  const request = recorded<DecoratorRequest>('decorator-finalize-deleting')
  t.strictSame(sync(request).response, { attachments: [] })
  t.strictSame(finalizeDeployment(request).response, { attachments: [], resyncAfterSeconds: 1, finalized: true })
})

t.test(
  'an answer that changes the Deployment asks for another look, because Metacontroller drops it on a conflict',
  t => {
    const answers = [
      sync(fresh()),
      finalizeDeployment(recorded('decorator-finalize-label-removed')),
      finalizeDeployment(recorded('decorator-finalize-sidecar-gone')),
      finalizeDeployment(recorded('decorator-finalize-deleting')),
    ]
    t.strictSame(
      answers.map(({ outcome, response }) => [outcome, response.resyncAfterSeconds]),
      [
        ['pending', 1],
        ['removing', 1],
        ['removed', 1],
        ['deleting', 1],
      ],
    )
    t.end()
  },
)

t.test('without any managedFields, removal asks once more instead of blocking', async t => {
  const request = recorded<DecoratorRequest>('decorator-finalize-label-removed')
  delete request.object.metadata.managedFields
  request.object.metadata.annotations!['ws.operator/status'] = 'Injected'
  t.equal(finalizeDeployment(request).outcome, 'removing')
})

t.test('a part of the sidecar that somebody else owns blocks removal, and the message says who', async t => {
  let now = fresh()
  for (let round = 0; round < 2; round++) now = applyAnswer(now, sync(now).response)
  const editor = {
    manager: 'kubectl-edit',
    operation: 'Update',
    fieldsV1: {
      'f:spec': {
        'f:template': { 'f:spec': { 'f:initContainers': { 'k:{"name":"websocket-proxy"}': { 'f:image': {} } } } },
      },
    },
  }
  now.object.metadata.managedFields!.push(editor)
  const blocked = finalizeDeployment(now)
  t.equal(blocked.outcome, 'removal_blocked')
  t.match(blocked.response.annotations?.['ws.operator/status-message'], /kubectl-edit/)
  const { spec } = structuredClone(now.object)
  now = applyAnswer(now, blocked.response)
  t.strictSame(now.object.spec, spec, 'the sidecar stays whole: a part of it could keep pods from starting')
  t.strictSame(finalizeDeployment(now).response.resyncAfterSeconds, undefined, 'it waits for the user')
  delete now.object.spec.template.spec.initContainers
  now.object.metadata.managedFields!.pop()
  now = applyAnswer(now, finalizeDeployment(now).response)
  t.equal(finalizeDeployment(now).response.finalized, true)
  t.same(withoutManagedFields(now).spec, fresh().object.spec)
})
