import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { DOMAIN, ENABLE_LABEL } from '../../../lib/service/names.ts'
import { isNotFound, type KubeObject } from '../api.ts'
import { kubectlApply } from '../cluster.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, say, setUp } from './bench.ts'
import { app, message, type Place, sidecar, status } from './place.ts'

const RESYNCS = 10
const FLAP_MS = 20
/** Most changes take no longer; each may meet a writer again and again. */
const CONVERGES_MS = 10_000
const LIMIT_MS = 30_000
const MIRROR = 'mirror.example.test/'
const POLICY = 'ws-operator-test-mirror'

t.test('nothing goes round in circles', async t => {
  const bench = await setUp(t)
  const place = await bench.place()
  await unlabelled(t, bench, place)
  await resyncs(t, bench, place)
  await flapping(t, place)
})

async function unlabelled(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test('R25 a Deployment without the label, or with another value, is no business of the hooks', async t => {
    await place.send([app('ignored', { labelled: false }), app('disabled', { labelled: false })])
    await place.patch('disabled', { metadata: { labels: { [ENABLE_LABEL]: 'false' } } })
    await place.kubectl('set', 'image', 'deployment/ignored', 'chat=example.test/chat:2')
    await place.send(app('labelled'))
    await place.injected('labelled')
    const here = hooks.calls.filter(({ object }) => object.metadata.namespace === place.namespace)
    t.same([...new Set(here.map(({ object }) => object.metadata.name))], ['labelled'])
    for (const name of ['ignored', 'disabled']) {
      const { metadata } = await place.get(name)
      t.same(
        [metadata.finalizers, metadata.ownerReferences, sidecar(await place.get(name))],
        [undefined, undefined, undefined],
      )
    }
  })
}

async function resyncs(t: Test, { api, resync }: Bench, place: Place): Promise<void> {
  const version = 'admissionregistration.k8s.io/v1'
  const policies = await api.resource(version, 'MutatingAdmissionPolicy').catch(() => undefined)
  const names = ['plain', 'classic', 'balanced']
  const versions = async () => {
    const kinds = [
      ['apps/v1', 'Deployment'],
      ['v1', 'Service'],
      [`${DOMAIN}/v1alpha1`, 'WebSocketBalancer'],
    ] as const
    const all = (await Promise.all(kinds.map(([apiVersion, kind]) => place.list(apiVersion, kind)))).flat()
    return all.map(({ kind, metadata }) => `${kind} ${metadata.name} ${metadata.resourceVersion}`).sort()
  }
  const settle = async () => {
    await resync(place, names)
    await waitFor('quiet', async () => stays('', versions, await versions()))
    return versions()
  }

  await t.test(`R15 ${RESYNCS} forced syncs change no resourceVersion`, async t => {
    await place.send([
      app('plain'),
      app('classic', {
        annotations: { [`${DOMAIN}/sidecar-mode`]: 'classic', [`${DOMAIN}/sidecar-cpu-request`]: '0.5' },
      }),
      app('balanced', { annotations: { [`${DOMAIN}/balancer`]: 'auto', [`${DOMAIN}/balancer-replicas`]: '0' } }),
    ])
    for (const name of names) await place.injected(name)
    const before = await settle()
    for (let i = 0; i < RESYNCS; i++) await resync(place, names)
    t.ok(await stays('all is as it was', versions, before))
  })

  const skip = policies ? false : `this API server has no MutatingAdmissionPolicy in ${version}`
  await t.test('R15 the same where a policy rewrites the registry of every image', { skip }, async t => {
    await mirrorImages(place)
    await place.kubectl('rollout', 'restart', 'deployment/plain', 'deployment/classic')
    await place.send(app('mirrored'))
    await place.injected('mirrored')
    names.push('mirrored')
    const before = await settle()
    for (const name of names) t.match(sidecar(await place.get(name))?.image, new RegExp(`^${MIRROR}`), name)
    for (let i = 0; i < RESYNCS; i++) await resync(place, names)
    t.ok(await stays('all is as it was', versions, before))

    // The rewritten image has two owners now: us, and us by way of the policy.
    await place.unlabel('mirrored')
    const left = await waitFor('removed or blocked', async () => {
      const now = await place.get('mirrored')
      return (now.metadata.finalizers === undefined || status(now) === 'RemovalBlocked') && now
    })
    say(`R15 un-labelling under that policy: ${left.metadata.finalizers ? message(left) : 'restored'}`)
    if (left.metadata.finalizers) t.ok(sidecar(left)?.['env'], 'the sidecar is whole')
    else t.equal(sidecar(left), undefined)
    await place.kubectl('delete', `mutatingadmissionpolicy/${POLICY}`, `mutatingadmissionpolicybinding/${POLICY}`)
  })
}

/** A policy as many clusters have one: every image comes from a mirror. It is idempotent, as such policies must be. */
async function mirrorImages(place: Place): Promise<void> {
  const apiVersion = 'admissionregistration.k8s.io/v1'
  const operations = ['CREATE', 'UPDATE']
  const list = (name: string) =>
    `(has(object.spec.template.spec.${name}) ? object.spec.template.spec.${name}.map(c, Object.spec.template.spec.${name}{name: c.name, image: c.image.startsWith('${MIRROR}') ? c.image : '${MIRROR}' + c.image}) : [])`
  const expression = `Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{
    containers: ${list('containers')}, initContainers: ${list('initContainers')}}}}}`
  await kubectlApply({
    apiVersion,
    kind: 'MutatingAdmissionPolicy',
    metadata: { name: POLICY },
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations, resources: ['deployments'] }],
        namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': place.namespace } },
      },
      reinvocationPolicy: 'IfNeeded',
      failurePolicy: 'Fail',
      mutations: [{ patchType: 'ApplyConfiguration', applyConfiguration: { expression } }],
    },
  })
  await kubectlApply({
    apiVersion,
    kind: 'MutatingAdmissionPolicyBinding',
    metadata: { name: POLICY },
    spec: { policyName: POLICY },
  })
  await waitFor('the policy is in force', async () => {
    const probe = app('probe', { labelled: false })
    const path = `/apis/apps/v1/namespaces/${place.namespace}/deployments?dryRun=All`
    const { spec } = (await place.api.request('POST', path, probe)) as typeof probe
    return spec.template.spec.containers[0].image.startsWith(MIRROR)
  })
}

/** Changes the status of a Deployment again and again, as an eager controller does, until it is gone. */
function flap({ api, namespace }: Place, name: string) {
  const path = `/apis/apps/v1/namespaces/${namespace}/deployments/${name}/status`
  let writes = 0
  let running = true
  const done = (async () => {
    for (; running; writes++) {
      const condition = { type: 'Flapping', status: writes % 2 ? 'True' : 'False', reason: `R${writes}` }
      const patch = { status: { conditions: [condition] } }
      const written = api.request('PATCH', path, patch, 'application/strategic-merge-patch+json')
      if (await written.then(() => false, isNotFound)) return
      await delay(FLAP_MS)
    }
  })()
  return {
    async stop() {
      running = false
      await done
      return writes
    },
  }
}

async function flapping(t: Test, place: Place): Promise<void> {
  await t.test(`R16 a status that changes every ${FLAP_MS} ms keeps nothing from arriving`, async t => {
    for (const name of ['flaps', 'flaps-and-goes']) await place.send(app(name))
    for (const name of ['flaps', 'flaps-and-goes']) await place.injected(name)
    const writers = ['flaps', 'flaps-and-goes'].map(name => flap(place, name))
    const from = Date.now()
    const took: [string, number][] = []
    const timed = async (what: string, work: () => Promise<unknown>) => {
      const begin = Date.now()
      await work()
      took.push([what, Date.now() - begin])
    }
    // The port is in the message too, so that each change is an update of the Deployment that may conflict.
    for (const port of ['3100', '3200', '3300']) {
      const is = (now: KubeObject) =>
        JSON.stringify(sidecar(now)?.['ports'] ?? '').includes(port) && message(now).includes(port)
      await timed(`port ${port}`, async () => {
        await place.annotate('flaps', { [`${DOMAIN}/sidecar-port`]: port })
        await place.until('flaps', `port ${port}`, is, LIMIT_MS)
      })
    }
    await timed('removal', async () => {
      await place.unlabel('flaps')
      await place.released('flaps', LIMIT_MS)
    })
    await timed('deletion', async () => {
      await place.kubectl('delete', 'deployment', 'flaps-and-goes', '--wait=false')
      await place.gone('flaps-and-goes', LIMIT_MS)
    })
    const ms = Date.now() - from
    const writes = (await Promise.all(writers.map(({ stop }) => stop()))).join(' and ')
    say(`R16 ${took.map(([what, one]) => `${what} ${one} ms`).join(', ')}; ${writes} writes of the status in ${ms} ms`)
    const times = took.map(([, one]) => one).sort((a, b) => a - b)
    t.ok(times[2]! < CONVERGES_MS, `the one in the middle took ${times[2]} ms`)
  })
}
