import t, { type Test } from 'tap'
import { ENABLE_LABEL, SIDECAR_CONTAINER, SIDECAR_REVISION_ANNOTATION } from '../../../lib/service/names.ts'
import type { KubeObject } from '../api.ts'
import { stays } from '../wait.ts'
import { say, setUp } from './bench.ts'
import { app, appContainer, containerNames, message, type Place, sidecar, status } from './place.ts'

const REPLACES = 5

const revision = ({ metadata }: KubeObject) => Number(metadata.annotations?.['deployment.kubernetes.io/revision'] ?? 0)
const generation = ({ metadata }: KubeObject) => metadata.generation ?? 0
/** How often a Deployment was rolled out, forwards or back. */
const rollouts = async (place: Place, name: string) => Math.max(...(await place.replicaSets(name)).map(revision))
const appImage = ({ spec }: KubeObject) => spec.template.spec.containers[0].image

t.test('others who write to a labelled Deployment', async t => {
  const { place } = await setUp(t)
  const here = await place()
  await clientSideApply(t, here)
  await replace(t, here)
  await rolloutUndo(t, here)
  await secondManager(t, here)
  await userContainers(t, here)
  await nameCollision(t, here)
  await serviceCollision(t, here)
  await order(t, here)
  await paused(t, here)
})

async function clientSideApply(t: Test, place: Place): Promise<void> {
  await t.test('R9 kubectl apply: at first two ReplicaSets at most, then one rollout for each new image', async t => {
    await place.send(app('applied', { image: 'example.test/chat:1' }))
    const injected = await place.injected('applied')
    await place.until('applied', 'rolled out', now => now['status']?.observedGeneration === generation(now))
    const first = (await place.replicaSets('applied')).length
    say(`R9 a Deployment that is created with the label: ${first} ReplicaSets`)
    t.ok(first <= 2)
    const made = () => rollouts(place, 'applied')
    const before = await made()
    const { metadata } = await place.get('applied')
    const revisionOfSidecar = metadata.annotations?.[SIDECAR_REVISION_ANNOTATION]
    await place.send(app('applied', { image: 'example.test/chat:2' }))
    // Not the generation: what the operator notes about the new template counts there too.
    const after = await place.until(
      'applied',
      'rolled out and seen by the operator',
      now =>
        revision(now) === before + 1 && now.metadata.annotations?.[SIDECAR_REVISION_ANNOTATION] !== revisionOfSidecar,
    )
    t.equal(appImage(after), 'example.test/chat:2')
    t.same(sidecar(after), sidecar(injected))
    t.ok(await stays('one rollout', made, before + 1))
    t.equal((await place.replicaSets('applied')).length, first + 1)
  })
}

async function replace(t: Test, place: Place): Promise<void> {
  await t.test('R10 kubectl replace: the sidecar comes back, with at most one more rollout each time', async t => {
    await place.send(app('replaced', { image: 'example.test/chat:1' }))
    const injected = await place.injected('replaced')
    await place.until('replaced', 'rolled out', now => now['status']?.observedGeneration === generation(now))
    const before = await rollouts(place, 'replaced')
    for (let i = 0; i < REPLACES; i++) {
      await place.send(app('replaced', { image: 'example.test/chat:1' }), 'replace')
      t.same(sidecar(await place.injected('replaced')), sidecar(injected))
    }
    const now = () => rollouts(place, 'replaced')
    t.ok(await stays('it settles', now, await now()))
    const made = (await now()) - before
    t.ok(made <= 2 * REPLACES, `${REPLACES} replaces made ${made} rollouts`)
    t.ok((await place.replicaSets('replaced')).length <= 2, 'and no new ReplicaSet')
  })
}

async function rolloutUndo(t: Test, place: Place): Promise<void> {
  await t.test(
    'R11 kubectl rollout undo to before the injection: the sidecar comes back, and goes without the label',
    async t => {
      const before = await place.send(app('undone', { labelled: false }))
      await place.until('undone', 'its first revision', now => revision(now) === 1)
      const injected = await place.label('undone')
      await place.until('undone', 'its second revision', now => revision(now) === 2)
      await place.kubectl('rollout', 'undo', 'deployment/undone')
      const again = await place.until('undone', 'injected again', now => sidecar(now) !== undefined)
      t.same(again['spec'], injected['spec'])
      t.ok((await rollouts(place, 'undone')) <= 4, 'two rollouts at most: theirs and ours')
      await place.unlabel('undone')
      t.same((await place.released('undone'))['spec'], before['spec'])
    },
  )
}

async function secondManager(t: Test, place: Place): Promise<void> {
  const env = [{ name: 'ADDED', value: '1' }]
  const spec = { template: { spec: { containers: [{ name: 'chat', env }] } } }
  const apply = (name: string, manager: string) =>
    place.applyAs(manager, { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name }, spec })

  await t.test('R12 a second manager’s fields and ours live side by side', async t => {
    await place.send(app('shared'))
    const injected = await place.injected('shared')
    const shared = await apply('shared', 'second')
    t.same(sidecar(shared), sidecar(injected))
    t.match(shared['spec'].template.spec.containers, [{ name: 'chat', env }])
    const versions = async () => (await place.get('shared')).metadata.resourceVersion
    await place.injected('shared')
    t.ok(
      await stays(
        'nobody takes anything from the other',
        async () => (await place.get('shared'))['spec'],
        shared['spec'],
      ),
    )
    t.ok(await stays('it is quiet', versions, await versions()))
  })

  await t.test('R12 somebody who applies under our manager’s name takes our fields away; they come back', async t => {
    await place.send(app('intruded'))
    const injected = await place.injected('intruded')
    const intruded = await apply('intruded', 'ws-operator')
    t.equal(sidecar(intruded), undefined, 'server-side apply takes away what a manager no longer applies')
    const again = await place.until('intruded', 'injected again', now => sidecar(now) !== undefined)
    t.same(sidecar(again), sidecar(injected))
  })
}

async function userContainers(t: Test, place: Place): Promise<void> {
  await t.test('R13 we own nothing in the user’s containers, which may be renamed and removed', async t => {
    const flux = (object: KubeObject) => place.send(object, 'apply', '--server-side', '--field-manager=flux')
    const helper = { ...appContainer('example.test/helper:1'), name: 'helper', ports: [] }
    await flux(app('theirs', { pod: { containers: [appContainer(), helper] } }))
    const injected = await place.injected('theirs')
    const ours = injected.metadata['managedFields'].filter(
      ({ manager }: { manager: string }) => manager === 'ws-operator',
    )
    const paths: string[][] = ours.map(({ fieldsV1 }: { fieldsV1: object }) => templatePaths(fieldsV1))
    t.same(paths.flat(), [`f:initContainers k:{"name":"${SIDECAR_CONTAINER}"}`])
    const renamed = await flux(app('theirs', { pod: { containers: [{ ...appContainer(), name: 'renamed' }] } }))
    t.same(containerNames(renamed), [[SIDECAR_CONTAINER], ['renamed']])
    t.equal(sidecar(await place.injected('theirs')) !== undefined, true)
  })
}

/** Containers of the pod template that a set of fields names. */
function templatePaths(fields: object): string[] {
  const at = (value: unknown, key: string) => (value as Record<string, unknown> | undefined)?.[key]
  const pod = ['f:spec', 'f:template', 'f:spec'].reduce<unknown>(at, fields) ?? {}
  return Object.entries(pod).flatMap(([list, items]) => Object.keys(items as object).map(item => `${list} ${item}`))
}

async function nameCollision(t: Test, place: Place): Promise<void> {
  await t.test('R14 a user’s container of our name is refused, and stays what it is', async t => {
    const mine = { name: SIDECAR_CONTAINER, image: 'example.test/mine:1' }
    await place.send([
      app('collides', { pod: { containers: [appContainer(), mine] } }),
      app('collides-init', { pod: { initContainers: [mine] } }),
    ])
    for (const name of ['collides', 'collides-init']) {
      const refused = await place.until(name, 'refused', now => status(now) === 'Refused')
      t.match(message(refused), /already has a container named websocket-proxy/)
      t.ok(await stays('the image is theirs', async () => sidecar(await place.get(name))?.image, mine.image))
      const { spec } = refused
      await place.unlabel(name)
      t.same((await place.released(name))['spec'], spec, 'and without the label nothing changes')
    }
  })
}

async function serviceCollision(t: Test, place: Place): Promise<void> {
  await t.test('R14 a user’s Service of the name of ours, with an address, stays what it is', async t => {
    const name = 'served-ws-proxy-headless'
    const selector = { app: 'somebody-else' }
    await place.create({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name },
      spec: { selector, ports: [{ port: 80 }] },
    })
    await place.send(app('served'))
    const service = async () => (await place.list('v1', 'Service')).find(({ metadata }) => metadata.name === name)
    const before = (await service())?.['spec']
    t.match(before, { selector })
    const seen = await place.until('served', 'seen', now => status(now) !== undefined)
    say(`R14 with such a Service: ${status(seen)}: ${message(seen)}`)
    t.ok(await stays('their Service is theirs', async () => (await service())?.['spec'], before))
    say(
      await place.kubectl(
        'get',
        'events',
        '-o',
        'custom-columns=REASON:.reason,ABOUT:.involvedObject.name,MESSAGE:.message',
      ),
    )
    await place.unlabel('served')
    await place.released('served')
    t.same((await service())?.['spec'], before)
  })
}

async function order(t: Test, place: Place): Promise<void> {
  await t.test(
    'R21 the sidecar comes after the user’s init containers, and the app stays the first container',
    async t => {
      const init = (name: string) => ({ name, image: `example.test/${name}:1` })
      const pod = (...names: string[]) => ({ initContainers: names.map(init) })
      await place.send(app('ordered', { pod: pod('a', 'b') }))
      t.same(containerNames(await place.injected('ordered')), [['a', 'b', SIDECAR_CONTAINER], ['chat']])
      const [inits, containers] = containerNames(await place.send(app('ordered', { pod: pod('b', 'a', 'c') })))
      say(`R21 after kubectl apply of b, a, c over a, b: ${inits.join(', ')}`)
      t.same(
        inits.filter(name => name !== SIDECAR_CONTAINER),
        ['b', 'a', 'c'],
        'reordered by the user',
      )
      t.same(containers, ['chat'])
      await place.send(app('ordered', { pod: pod('c', 'a') }), 'replace')
      t.same(
        containerNames(await place.injected('ordered')),
        [['c', 'a', SIDECAR_CONTAINER], ['chat']],
        'after a replace',
      )
      await place.send(app('classic', { annotations: { 'ws.operator/sidecar-mode': 'classic' } }))
      t.same(containerNames(await place.injected('classic')), [[], ['chat', SIDECAR_CONTAINER]])
    },
  )
}

async function paused(t: Test, place: Place): Promise<void> {
  await t.test('R23 a paused Deployment is not rolled out until it is resumed', async t => {
    await place.send(app('paused', { labelled: false }))
    await place.until('paused', 'its first revision', now => revision(now) === 1)
    await place.kubectl('rollout', 'pause', 'deployment/paused')
    await place.patch('paused', { metadata: { labels: { [ENABLE_LABEL]: 'true' } } })
    await place.injected('paused')
    const sets = async () => (await place.replicaSets('paused')).length
    t.ok(await stays('no new ReplicaSet', sets, 1))
    await place.kubectl('rollout', 'resume', 'deployment/paused')
    await place.until('paused', 'its second revision', now => revision(now) === 2)
    t.equal(await sets(), 2)
  })
}
