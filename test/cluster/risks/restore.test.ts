import t, { type Test } from 'tap'
import { DOMAIN, SIDECAR_CONTAINER } from '../../../lib/service/names.ts'
import type { KubeObject } from '../api.ts'
import { setUp } from './bench.ts'
import { app, appContainer, message, type Place, sidecar, status } from './place.ts'

/** What a user, or a program, does to a Deployment while it has the sidecar. */
const CHANGES: Readonly<Record<string, (place: Place, name: string, labelled: boolean) => Promise<unknown>>> = {
  nothing: async () => {},
  scale: (place, name) => place.kubectl('scale', 'deployment', name, '--replicas=0'),
  'set-image': (place, name) => place.kubectl('set', 'image', `deployment/${name}`, 'chat=example.test/chat:3'),
  apply: (place, name, labelled) => place.send(second(name, labelled)),
  replace: (place, name, labelled) => place.send(second(name, labelled), 'replace'),
  'second-manager': (place, name) => place.applyAs('second-manager', partial(name)),
  'rollout-undo': (place, name) => place.kubectl('rollout', 'undo', `deployment/${name}`, '--to-revision=1'),
  'rollout-restart': async (place, name) => {
    // The time of the restart would differ between the two.
    await place.patch(name, { spec: { template: { metadata: { annotations: { restarted: 'now' } } } } })
  },
}

const second = (name: string, labelled: boolean) => app(name, { labelled, image: 'example.test/chat:2', pod: RICH })

/** A template with what is easy to lose or to reorder. */
const RICH = {
  initContainers: [
    {
      name: 'migrate',
      image: 'example.test/migrate:1',
      env: [
        { name: 'B', value: '$(A) "x"\n' },
        { name: 'A', value: '' },
      ],
    },
    { name: 'log', image: 'example.test/log:1', restartPolicy: 'Always' },
  ],
  volumes: [{ name: 'scratch', emptyDir: {} }],
  tolerations: [{ operator: 'Exists' }],
  terminationGracePeriodSeconds: 77,
}

/** What a second manager sets by server-side apply: fields of its own, and one that was the user's. */
const partial = (name: string): KubeObject => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    template: {
      metadata: { annotations: { 'example.test/scrape': 'true' } },
      spec: { containers: [{ name: 'chat', image: 'example.test/chat:4', env: [{ name: 'PORT', value: '3001' }] }] },
    },
  },
})

t.test('un-labelling restores the pod template exactly', async t => {
  const { place } = await setUp(t)
  const [here, twins] = [await place(), await place()]
  const names = Object.keys(CHANGES)
  // Each has a twin that is never labelled and to which the same is done.
  for (const at of [here, twins]) {
    await at.send(names.map(name => app(name, { labelled: false, image: 'example.test/chat:1' })))
    for (const name of names) await at.until(name, 'its first revision', now => revision(now) === '1')
    await at.send(names.map(name => app(name, { labelled: false, pod: RICH })))
    for (const name of names) await at.until(name, 'its second revision', now => revision(now) === '2')
  }
  await Promise.all(names.map(name => here.label(name)))
  for (const [name, change] of Object.entries(CHANGES)) {
    await change(here, name, true)
    await change(twins, name, false)
  }
  for (const name of names) {
    await t.test(`after ${name}`, async t => {
      const injected = await here.injected(name)
      const twin = (await twins.get(name))['spec']
      t.same(withoutSidecar(injected), twin.template, 'while injected: the user’s template and our container')
      await here.unlabel(name)
      t.same((await here.released(name))['spec'], twin, 'afterwards: the same, byte for byte')
    })
  }
  for (const [name, annotations] of Object.entries(MODES)) await mode(t, here, name, annotations)
  await blockedByUndo(t, here)
  await blockedByCopy(t, here)
  await blockedByPart(t, here)
  await coOwned(t, here)
})

const MODES = { native: {}, classic: { [`${DOMAIN}/sidecar-mode`]: 'classic' } }

async function mode(t: Test, place: Place, name: string, annotations: object): Promise<void> {
  await t.test(`${name}: from one kind of sidecar to the other and away`, async t => {
    const wanted = { annotations: { ...annotations }, pod: RICH }
    const before = (await place.send(app(name, { ...wanted, labelled: false })))['spec']
    const kind = async () => ('restartPolicy' in sidecar(await place.label(name))! ? 'native' : 'classic')
    t.equal(await kind(), name)
    const other = name === 'native' ? 'classic' : 'native'
    await place.annotate(name, { [`${DOMAIN}/sidecar-mode`]: other })
    const changed = await place.until(
      name,
      other,
      now => 'restartPolicy' in (sidecar(now) ?? {}) === (other === 'native'),
    )
    t.same(withoutSidecar(changed), before.template)
    await place.unlabel(name)
    t.same((await place.released(name))['spec'], before)
  })
}

const revision = ({ metadata }: KubeObject) => metadata.annotations?.['deployment.kubernetes.io/revision']

function withoutSidecar({ spec }: KubeObject): object {
  const text = JSON.stringify(spec.template, (key, value) => {
    if (key !== 'initContainers' && key !== 'containers') return value
    const others = (value as { name: string }[]).filter(({ name }) => name !== SIDECAR_CONTAINER)
    return others.length > 0 ? others : undefined
  })
  return JSON.parse(text)
}

/** Takes the container away as the message says, after which the Deployment must be let go. */
async function byHand(t: Test, place: Place, blocked: KubeObject, before: object): Promise<void> {
  const { name } = blocked.metadata
  const { initContainers } = blocked['spec'].template.spec as { initContainers: { name: string }[] }
  const index = initContainers.findIndex(container => container.name === SIDECAR_CONTAINER)
  await place.patch(name, [{ op: 'remove', path: `/spec/template/spec/initContainers/${index}` }], 'json')
  const released = await place.released(name)
  t.same(withoutSidecar(released), before)
  t.equal(sidecar(released), undefined)
  t.equal(status(released), undefined)
}

const isBlocked = (now: KubeObject) => status(now) === 'RemovalBlocked'

async function blockedByUndo(t: Test, place: Place): Promise<void> {
  await t.test(
    'R11 an undo to a revision with the sidecar while there is no label: RemovalBlocked names who did it',
    async t => {
      const before = (await place.send(app('undone', { labelled: false })))['spec'].template
      await place.until('undone', 'a revision without the sidecar', now => revision(now) === '1')
      await place.label('undone')
      await place.until('undone', 'rolled out with the sidecar', now => revision(now) === '2')
      await place.unlabel('undone')
      await place.released('undone')
      await place.kubectl('rollout', 'undo', 'deployment/undone', '--to-revision=2')
      const undone = await place.get('undone')
      t.ok(sidecar(undone), 'kubectl has brought the sidecar back')
      await place.label('undone')
      await place.unlabel('undone')
      const blocked = await place.until('undone', 'blocked', isBlocked)
      t.match(message(blocked), /owned by kubectl/)
      t.same(sidecar(blocked), sidecar(undone), 'the sidecar is whole')
      await byHand(t, place, blocked, before)
    },
  )
}

async function blockedByCopy(t: Test, place: Place): Promise<void> {
  await t.test('a copy of everything that another manager applied: RemovalBlocked names the manager', async t => {
    const before = (await place.send(app('copied', { labelled: false })))['spec'].template
    const { metadata, ...injected } = await place.label('copied')
    const { name, labels } = metadata
    const copy = { ...injected, metadata: { name, labels }, status: undefined } as KubeObject
    await place.applyAs('copycat', copy)
    await place.unlabel('copied')
    const blocked = await place.until('copied', 'blocked', isBlocked)
    t.match(message(blocked), /owned by copycat/)
    await byHand(t, place, blocked, before)
  })
}

async function blockedByPart(t: Test, place: Place): Promise<void> {
  await t.test('a field in the sidecar that somebody else set: RemovalBlocked, and nothing is torn apart', async t => {
    const before = (await place.send(app('touched', { labelled: false })))['spec'].template
    await place.label('touched')
    const path = `/apis/apps/v1/namespaces/${place.namespace}/deployments/touched?fieldManager=meddler`
    const meddled = { name: SIDECAR_CONTAINER, env: [{ name: 'MEDDLED', value: '1' }] }
    const patch = { spec: { template: { spec: { initContainers: [meddled] } } } }
    await place.api.request('PATCH', path, patch, 'application/strategic-merge-patch+json')
    const touched = await place.get('touched')
    await place.unlabel('touched')
    const blocked = await place.until('touched', 'blocked', isBlocked)
    t.match(message(blocked), /owned by meddler/)
    t.same(sidecar(blocked), sidecar(touched), 'the sidecar is whole, so that the pods go on')
    t.match(containerOfApp(blocked), appContainer())
    await byHand(t, place, blocked, before)
  })
}

async function coOwned(t: Test, place: Place): Promise<void> {
  await t.test(
    'a sidecar that another manager owns too is not moved: Refused names the manager, until it is let go',
    async t => {
      await place.send(app('shared-sidecar', { labelled: false }))
      const { metadata, ...injected } = await place.label('shared-sidecar')
      const { name, labels } = metadata
      await place.applyAs('copycat', { ...injected, metadata: { name, labels }, status: undefined } as KubeObject)
      const before = sidecar(await place.get(name))
      for (const change of [{ [`${DOMAIN}/sidecar-mode`]: 'classic' }, { [`${DOMAIN}/sidecar-port`]: '4000' }]) {
        await place.annotate(name, change)
        const refused = await place.until(name, 'refused', now => status(now) === 'Refused')
        t.match(message(refused), /owned by copycat/)
        t.same(sidecar(refused), before, 'and it stays as it is')
        await place.annotate(name, Object.fromEntries(Object.keys(change).map(key => [key, null])))
        await place.injected(name)
      }
      // What it no longer applies is ours alone again.
      await place.applyAs('copycat', { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name } } as KubeObject)
      await place.annotate(name, { [`${DOMAIN}/sidecar-port`]: '4000' })
      const port = (now: KubeObject) => sidecar(now)?.['ports'][0].containerPort
      t.equal(port(await place.until(name, 'on the other port', now => port(now) === 4000)), 4000)
    },
  )
}

const containerOfApp = ({ spec }: KubeObject) => spec.template.spec.containers[0]
