import t, { type Test } from 'tap'
import type { KubeObject } from '../api.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, say, setUp } from './bench.ts'
import type { HookAnswer, HookCall, HookServer } from './hook-server.ts'
import { app, message, type Place, sidecar, status } from './place.ts'

const SUCCESSORS = 5

/** Takes the ownerReference of the Deployment itself out of an answer, as a bug in the hook would. */
function forget({ object }: HookCall, answer: HookAnswer): HookAnswer {
  for (const { kind, metadata } of answer.attachments ?? []) {
    if (kind === 'Deployment' && metadata.name === object.metadata.name) delete metadata.ownerReferences
  }
  return answer
}

const owners = ({ metadata }: KubeObject) => metadata.ownerReferences ?? []
const isOwnController = (object: KubeObject) =>
  owners(object).some(({ uid, controller }) => uid === object.metadata.uid && controller === true)

t.test('the reference of a Deployment to itself', async t => {
  const bench = await setUp(t)
  const place = await bench.place()
  await forgotten(t, bench, place)
  await resurrection(t, bench, place)
  await successors(t, bench, place)
  await otherOwners(t, place)
})

async function forgotten(t: Test, { hooks, resync }: Bench, place: Place): Promise<void> {
  await t.test('R1 an answer without it deletes nothing, and the next good one repairs it', async t => {
    const names = ['forgets', 'forgets-on-delete']
    await place.send(names.map(name => app(name)))
    const [before] = await Promise.all(names.map(name => place.injected(name)))
    hooks.between(forget)
    await resync(place, names)
    for (const name of names) await place.until(name, 'its own controller, as Metacontroller makes it', isOwnController)
    const uid = async () => (await place.get('forgets')).metadata.uid
    t.ok(await stays('the Deployment is still the same one', uid, before!.metadata.uid))

    // Its own blocking dependent: Kubernetes waits for itself. This is what the fault would cost.
    await place.kubectl('delete', 'deployment', 'forgets-on-delete', '--cascade=foreground', '--wait=false')
    const deleting = async () => (await place.get('forgets-on-delete')).metadata.deletionTimestamp !== undefined
    t.ok(await stays('a foreground deletion waits', deleting, true))
    await place.patch('forgets-on-delete', { metadata: { ownerReferences: null } })
    await place.gone('forgets-on-delete')
    t.pass('without the reference it ends')

    hooks.between()
    await resync(place, ['forgets'])
    const repaired = await place.until('forgets', 'repaired', now => !isOwnController(now))
    t.same(owners(repaired), owners(before!))
    t.same(repaired['spec'].template, before!['spec'].template)
  })
}

async function resurrection(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test('R5 a Deployment that goes while the hook thinks does not come back', async t => {
    const held = hold(hooks, ['goes'])
    await place.send(app('goes'))
    await held.asked()
    // With the finalizer it would wait for the hook; so this is the worst case: somebody takes the finalizer away.
    await place.kubectl('delete', 'deployment', 'goes', '--wait=false')
    await place.patch('goes', { metadata: { finalizers: null } })
    await place.gone('goes')
    const answered = hooks.calls.length
    held.release()
    // Another Deployment's round shows that Metacontroller has gone on since.
    await place.send(app('comes-after'))
    await place.injected('comes-after')
    t.ok(hooks.calls.length > answered)
    const names = async () => (await place.list('apps/v1', 'Deployment')).map(({ metadata }) => metadata.name).sort()
    t.ok(await stays('the others alone are there', names, ['comes-after', 'forgets']))
    const services = async () => (await place.list('v1', 'Service')).map(({ metadata }) => metadata.name)
    await waitFor(
      'what was made for it is collected',
      async () => !(await services()).some(name => /^goes-/.test(name)),
    )
  })
}

/** Lets the hook think about some Deployments until it is told to answer. */
function hold(hooks: HookServer, names: readonly string[]) {
  const asked = new Set<string>()
  const { promise, resolve } = Promise.withResolvers<void>()
  hooks.between(async ({ object: { metadata } }, answer) => {
    if (names.includes(metadata.name) && !asked.has(metadata.name)) {
      asked.add(metadata.name)
      await promise
    }
    return answer
  })
  return {
    asked: () => waitFor('the hook is asked', async () => asked.size === names.length),
    release() {
      hooks.between()
      resolve()
    },
  }
}

async function successors(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test(
    'R4 successors of the same name, made while the hook thinks, their finalizers removed by force',
    async t => {
      const names = Array.from({ length: SUCCESSORS }, (_, i) => `successor-${i}`)
      const held = hold(hooks, names)
      await place.send(names.map(name => app(name)))
      await held.asked()
      for (const name of names) {
        await place.kubectl('delete', 'deployment', name, '--wait=false')
        await place.patch(name, { metadata: { finalizers: null } })
      }
      for (const name of names) await place.gone(name)
      await place.send(names.map(name => app(name)))
      // The answer that is applied now is about the Deployments that went.
      held.release()
      let vanished = 0
      for (const name of names) {
        const end = await waitFor(`${name}: collected, or injected as itself`, async () => {
          const now = await place.get(name).catch(() => undefined)
          if (!now) return 'collected'
          const own =
            owners(now)
              .map(({ uid }) => uid)
              .join() === now.metadata.uid
          return own && status(now) === 'Injected' && sidecar(now) && 'injected'
        })
        if (end === 'collected') vanished += 1
      }
      say(`R4 of ${SUCCESSORS} such successors, ${vanished} were collected as dependents of who went before`)
      t.pass('each ends in one of the two ways')
    },
  )
}

async function otherOwners(t: Test, place: Place): Promise<void> {
  await t.test('R20 a Deployment of another controller is refused, one with another plain owner is not', async t => {
    const config = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owner' } }
    await place.kubectl('create', 'configmap', 'owner')
    const [{ metadata }] = (await place.list('v1', 'ConfigMap')).filter(
      ({ metadata: { name } }) => name === 'owner',
    ) as [KubeObject]
    const owner = { apiVersion: config.apiVersion, kind: config.kind, name: 'owner', uid: metadata.uid }
    await place.send([
      app('controlled', { ownerReferences: [{ ...owner, controller: true }] }),
      app('owned', { ownerReferences: [owner] }),
    ])
    const refused = await place.until('controlled', 'refused', now => status(now) === 'Refused')
    t.match(message(refused), /ConfigMap owner controls this Deployment/)
    t.equal(sidecar(refused), undefined)
    t.match(owners(refused), [{ name: 'owner', controller: true }])
    t.equal(owners(refused).length, 1)
    const injected = await place.injected('owned')
    t.same(
      owners(injected)
        .map(({ name, controller }) => [name, controller])
        .sort(),
      [
        ['owned', undefined],
        ['owner', undefined],
      ],
    )
  })
}
