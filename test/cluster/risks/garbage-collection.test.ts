import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { KubeObject } from '../api.ts'
import { deleteAndWait } from '../cluster.ts'
import { end } from '../kubectl.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, say, setUp } from './bench.ts'
import { app, type Place } from './place.ts'

const DEPLOYMENTS = 50
const RECREATED = 10
const TIMES = 3
const SLOW_HOOK_MS = 300

t.test('the garbage collector and Deployments that refer to themselves', async t => {
  const bench = await setUp(t)
  const place = await bench.place()
  await deletions(t, place)
  await recreation(t, bench, place)
  await copies(t, place)
  await freshCollector(t, place)
})

async function deletions(t: Test, place: Place): Promise<void> {
  await t.test('R2 foreground, background and orphan deletion all end', async t => {
    const ways = ['foreground', 'background', 'orphan']
    await place.send(ways.map(way => app(way)))
    for (const way of ways) {
      await place.injected(way)
      await place.kubectl('delete', 'deployment', way, `--cascade=${way}`, '--wait=false')
    }
    for (const way of ways) t.pass(`${way}: gone after ${await place.gone(way)} ms`)
    await waitFor('the ReplicaSets of the first two are gone', async () => {
      const left = await place.list('apps/v1', 'ReplicaSet')
      return left.length > 0 && left.every(({ metadata }) => metadata.labels?.['app'] === 'orphan')
    })
    const orphans = await place.list('apps/v1', 'ReplicaSet')
    t.ok(orphans.every(({ metadata }) => metadata.ownerReferences === undefined))
    const services = async () => (await place.list('v1', 'Service')).map(({ metadata }) => metadata.name)
    await waitFor('their Services too', async () => (await services()).length === 1)
    t.same(await services(), ['orphan-ws-proxy-headless'], 'an orphan’s is an orphan')
  })
}

/** The cluster's own controller manager is not ours to restart; a second one builds the same graph from nothing. */
async function freshCollector(t: Test, place: Place): Promise<void> {
  const kubeconfig = process.env['KUBECONFIG'] ?? ''
  const program = process.env['KUBE_CONTROLLER_MANAGER'] ?? join(dirname(kubeconfig), 'bin/kube-controller-manager')
  const skip = existsSync(program) ? false : `no kube-controller-manager to start: ${program} does not exist`
  await t.test(`R3 a garbage collector that starts afresh deletes none of ${DEPLOYMENTS}`, { skip }, async t => {
    const names = Array.from({ length: DEPLOYMENTS }, (_, i) => `kept-${i}`)
    await Promise.all(names.map(name => place.create(app(name))))
    for (const name of names) await place.injected(name)
    const uids = async () => (await place.list('apps/v1', 'Deployment')).map(({ metadata }) => metadata.uid).sort()
    const before = await uids()
    const args = ['--kubeconfig', kubeconfig, '--controllers=garbage-collector-controller', '--leader-elect=false']
    const collector = spawn(program, [...args, '--bind-address=127.0.0.1', '--secure-port=11258', '--v=2'])
    const said: string[] = []
    for (const stream of [collector.stdout, collector.stderr]) stream.on('data', text => said.push(String(text)))
    try {
      await waitFor('the second garbage collector has seen everything', async () =>
        /All monitored resources synced|Proceeding to collect garbage/.test(said.join('')),
      )
      // It still collects: what its graph says has no owner goes.
      await place.create(withOwner(app('orphaned', { labelled: false }), 'no-such-uid'))
      await place.gone('orphaned')
      t.ok(await stays('all Deployments are there', uids, before))
    } finally {
      await end(collector)
    }
  })
}

function withOwner(object: KubeObject, uid: string): KubeObject {
  const { apiVersion, kind, metadata } = object
  return { ...object, metadata: { ...metadata, ownerReferences: [{ apiVersion, kind, name: metadata.name, uid }] } }
}

async function recreation(t: Test, { hooks }: Bench, place: Place): Promise<void> {
  await t.test(`R4 ${RECREATED * TIMES} Deployments that are made again while hooks are slow stay`, async t => {
    hooks.between(async (_, answer) => {
      await delay(SLOW_HOOK_MS)
      return answer
    })
    let vanished = 0
    const again = async (name: string) => {
      await place.create(app(name))
      for (let i = 0; i < TIMES; i++) {
        // At a moment of its own: before, while and after the hook thinks.
        await delay((SLOW_HOOK_MS * (i + 1)) / TIMES)
        await deleteAndWait(place.api, ['apps/v1', 'Deployment', place.namespace, name])
        const { metadata } = await place.create(app(name))
        const injected = await place.injected(name).catch(() => undefined)
        if (injected?.metadata.uid !== metadata.uid) vanished += 1
      }
    }
    await Promise.all(Array.from({ length: RECREATED }, (_, i) => again(`again-${i}`)))
    hooks.between()
    t.equal(vanished, 0)
    const left = async () => (await place.list('apps/v1', 'Deployment')).length
    t.ok(await stays('all are there', left, RECREATED), 'all are there')
  })
}

async function copies(t: Test, place: Place): Promise<void> {
  await t.test(
    'R4 what was exported with its owner reference vanishes when it is applied after a deletion',
    async t => {
      await place.send(app('copied'))
      const exported = await place.injected('copied')
      await place.kubectl('delete', 'deployment', 'copied')
      await place.gone('copied')
      const { uid: _, resourceVersion: __, managedFields: ___, finalizers: ____, ...metadata } = exported.metadata
      const copy = { ...exported, metadata }
      await place.send(copy as KubeObject, 'create').catch(() => {})
      // Documented: Kubernetes takes the old uid for an owner that is gone.
      const ms = await place.gone('copied')
      say(`R4 a copy with the old owner reference was collected ${ms} ms after it was made`)
      t.pass('documented: it is collected')

      const { ownerReferences: _____, ...withoutOwner } = metadata
      await place.send({ ...copy, metadata: withoutOwner } as KubeObject, 'create')
      const uid = async () => (await place.get('copied')).metadata.uid !== undefined
      await place.injected('copied')
      t.ok(await stays('without the reference it stays', uid, true))
    },
  )
}
