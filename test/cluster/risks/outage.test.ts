import t, { type Test } from 'tap'
import { DOMAIN, ENABLE_LABEL } from '../../../lib/service/names.ts'
import { kubectl } from '../kubectl.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, setUp } from './bench.ts'
import { app, type Place, sidecar } from './place.ts'

/** Metacontroller waits longer after each failure; this is well beyond what a short outage makes of it. */
const BACK_LIMIT_MS = 90_000
const WITHOUT_FINALIZER = { metadata: { finalizers: null } }

t.test('while something of the operator is down', async t => {
  const bench = await setUp(t)
  await hooksDown(t, bench, await bench.place())
  await removalWithoutHooks(t, bench)
})

async function hooksDown(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test('R17 hooks down: changes go through, deletions wait, and end when the hooks are back', async t => {
    for (const name of ['waits', 'changes', 'rescued']) await place.send(app(name))
    for (const name of ['waits', 'changes', 'rescued']) await place.injected(name)
    await hooks.down()
    const changed = await place.send(app('changes', { image: 'example.test/chat:2' }))
    t.ok(sidecar(changed), 'kubectl apply works and keeps the sidecar')
    await place.send(app('new'))
    const injected = async () => sidecar(await place.get('new')) !== undefined
    t.ok(await stays('a new Deployment has no sidecar', injected, false))

    await place.kubectl('delete', 'deployment', 'waits', 'rescued', '--wait=false')
    const deleting = async () => (await place.get('waits')).metadata.deletionTimestamp !== undefined
    t.ok(await stays('a deletion waits for the hooks', deleting, true))
    await place.patch('rescued', WITHOUT_FINALIZER)
    t.pass(`without its finalizer it is gone after ${await place.gone('rescued')} ms`)

    await hooks.up()
    t.pass(`the other is gone ${await place.gone('waits', BACK_LIMIT_MS)} ms after the hooks were back`)
    await place.until('new', 'injected after all', now => sidecar(now) !== undefined, BACK_LIMIT_MS)
  })
}

/** The way out where neither hooks nor Metacontroller will come back. */
async function removalWithoutHooks(t: Test, { hooks, place: makePlace, stop, start }: Bench): Promise<void> {
  await t.test(
    'uninstalled in the wrong order, with nothing of the operator left: nothing hangs after the rescue',
    async t => {
      const place = await makePlace()
      for (const name of ['first', 'second'])
        await place.send(app(name, { annotations: { [`${DOMAIN}/balancer`]: 'auto' } }))
      for (const name of ['first', 'second']) await place.injected(name)
      await stop()
      await hooks.down()
      const selector = `${ENABLE_LABEL}=true`
      // What the documentation tells users to run: the finalizer first, then the label, then the container by hand.
      for (const name of ['first', 'second']) await place.patch(name, WITHOUT_FINALIZER)
      await place.kubectl('label', 'deployments', '-l', selector, `${ENABLE_LABEL}-`)
      const left = await place.get('first')
      t.ok(sidecar(left), 'nobody takes the sidecar away')
      await place.patch('first', [{ op: 'remove', path: '/spec/template/spec/initContainers' }], 'json')
      t.equal(sidecar(await place.get('first')), undefined)
      // A foreground deletion of the namespace’s content needs nobody either.
      await kubectl(['delete', 'namespace', place.namespace, '--timeout=60s'], { limitMs: 70_000 })
      const namespaces = await place.api.resource('v1', 'namespaces')
      await waitFor('the namespace is gone', () =>
        place.api.get(namespaces, undefined, place.namespace).then(
          () => false,
          () => true,
        ),
      )
      t.pass('a namespace full of it goes without the operator')
      await hooks.up()
      await start()
    },
  )
}
