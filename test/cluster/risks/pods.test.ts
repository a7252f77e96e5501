import t, { type Test } from 'tap'
import { DOMAIN, SIDECAR_CONTAINER } from '../../../lib/service/names.ts'
import type { KubeObject } from '../api.ts'
import { loadImages } from '../images.ts'
import { podsOf } from '../operator.ts'
import { rolledOut } from '../rollout.ts'
import { stays, waitFor } from '../wait.ts'
import { type Bench, say, setUp } from './bench.ts'
import { app, appContainer, type Container, containerNames, type Place, sidecar } from './place.ts'

const MODES = ['native', 'classic'] as const
const annotations = (more: Record<string, string>) =>
  Object.fromEntries(Object.entries(more).map(([name, value]) => [`${DOMAIN}/${name}`, value]))

t.test('pods with the sidecar', async t => {
  const bench = await setUp(t)
  await loadImages(say)
  const place = await bench.place()
  await restricted(t, bench, place)
  await withoutApp(t, bench, place)
  await metacontrollerDown(t, bench, place)
})

/** The one pod of a Deployment of one replica. */
const onlyPod = async ({ cluster }: Bench, { namespace }: Place, name: string): Promise<KubeObject> => {
  const [pod, ...others] = await podsOf(cluster, namespace, `app=${name}`)
  if (!pod || others.length > 0) throw new Error(`${others.length + (pod ? 1 : 0)} pods of ${name}`)
  return pod
}

/** What the kubelet says of the sidecar of a pod. */
const sidecarStatus = ({ status }: KubeObject) =>
  [...(status.initContainerStatuses ?? []), ...status.containerStatuses].find(
    ({ name }: { name: string }) => name === SIDECAR_CONTAINER,
  )

async function restricted(t: Test, bench: Bench, place: Place): Promise<void> {
  await t.test('a namespace that enforces the restricted Pod Security Standard takes both kinds', async t => {
    // Pods of the app alone and of the app with the sidecar never run beside each other for long: start with none.
    for (const mode of MODES) await place.send(app(mode, { annotations: annotations({ 'sidecar-mode': mode }) }))
    for (const mode of MODES) await place.injected(mode)
    for (const mode of MODES) await place.kubectl('scale', 'deployment', mode, '--replicas=1')
    for (const mode of MODES) {
      await rolledOut(bench.cluster, place.namespace, mode)
      const { spec } = await onlyPod(bench, place, mode)
      const all = [...(spec.initContainers ?? []), ...spec.containers] as Container[]
      whole(t, mode, all.find(({ name }) => name === SIDECAR_CONTAINER)!)
    }
    t.same(containerNames(await place.get('native')), [[SIDECAR_CONTAINER], ['chat']])
    t.same(containerNames(await place.get('classic')), [[], ['chat', SIDECAR_CONTAINER]])
  })
}

/** Everything that the sidecar must have, as the API server has it. */
function whole(t: Test, mode: string, container: Container): void {
  t.match(
    container,
    {
      startupProbe: { httpGet: { path: '/healthz', port: 9090 } },
      readinessProbe: { httpGet: { path: '/readyz', port: 9090 } },
      livenessProbe: { httpGet: { path: '/healthz', port: 9090 } },
      lifecycle: { preStop: { exec: {} } },
      resources: { requests: { cpu: /^\d+m$/, memory: /^\d+Mi$/ }, limits: { memory: /^\d+Mi$/ } },
      securityContext: {
        readOnlyRootFilesystem: true,
        runAsNonRoot: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'RuntimeDefault' },
      },
    },
    `${mode}: probes, preStop, requests, restricted security context`,
  )
  t.equal(container['restartPolicy'], mode === 'native' ? 'Always' : undefined)
  t.equal(container['resources'].limits.cpu, undefined, 'no limit on cpu')
  const hosts = ['startupProbe', 'readinessProbe', 'livenessProbe'].map(probe => container[probe].httpGet.host)
  t.same(hosts, [undefined, undefined, undefined], 'Pod Security allows no host in a probe')
}

async function withoutApp(t: Test, bench: Bench, place: Place): Promise<void> {
  await t.test('ready means that the proxy is up and the app accepts; started does not wait for the app', async t => {
    // An app that listens nowhere until it is told to.
    const script = `const { existsSync } = require('node:fs'), { createServer } = require('node:net')
      const look = () => existsSync('/tmp/go') ? createServer(s => s.end()).listen(3001) : setTimeout(look, 100)
      look()`
    const late = {
      ...appContainer(),
      command: ['node', '-e', script],
      volumeMounts: [{ name: 'tmp', mountPath: '/tmp' }],
    }
    const pod = { containers: [late], volumes: [{ name: 'tmp', emptyDir: {} }], terminationGracePeriodSeconds: 1 }
    await place.send(app('late', { pod }))
    await place.injected('late')
    await place.kubectl('scale', 'deployment', 'late', '--replicas=1')
    const running = await waitFor('both run', async () => {
      const now = await onlyPod(bench, place, 'late')
      const [chat] = now['status'].containerStatuses
      return sidecarStatus(now)?.started && chat.started && now
    })
    t.pass('the native sidecar has started, and the app after it')
    const ready = async () => sidecarStatus(await onlyPod(bench, place, 'late')).ready
    t.ok(await stays('not ready while the app does not listen', ready, false))
    await place.kubectl(
      'exec',
      running.metadata.name,
      '-c',
      'chat',
      '--',
      'node',
      '-e',
      "fs.writeFileSync('/tmp/go', '')",
    )
    await waitFor('ready once the app listens', ready)
    t.equal(sidecarStatus(await onlyPod(bench, place, 'late')).restartCount, 0)
    await place.kubectl('delete', 'deployment', 'late')
  })
}

async function metacontrollerDown(t: Test, bench: Bench, place: Place): Promise<void> {
  await t.test('R18 Metacontroller down: pods go on, new ones of the same Deployment have the sidecar', async t => {
    const before = await onlyPod(bench, place, 'native')
    await bench.stop()
    const same = async () => {
      const { metadata, status } = await onlyPod(bench, place, 'native')
      return [metadata.uid, status.conditions.find(({ type }: { type: string }) => type === 'Ready').status]
    }
    t.ok(await stays('the pod is the same and ready', same, [before.metadata.uid, 'True']))
    const answer = await fetch(`http://${before['status'].podIP}:3000/healthz`).catch(() => undefined)
    if (answer) t.equal(answer.status, 200, 'and its sidecar passes requests to the app')
    else say('R18 pods cannot be reached from this machine; only their readiness was looked at')
    await place.kubectl('scale', 'deployment', 'native', '--replicas=2')
    await rolledOut(bench.cluster, place.namespace, 'native')
    const pods = await podsOf(bench.cluster, place.namespace, 'app=native')
    t.same(
      pods.map(({ spec }) => spec.initContainers.length),
      [1, 1],
    )
    await place.send(app('unseen'))
    t.ok(await stays('a new Deployment gets none', async () => sidecar(await place.get('unseen')), undefined))
    await bench.start()
    await place.injected('unseen')
    t.pass('until Metacontroller is back')
  })
}
