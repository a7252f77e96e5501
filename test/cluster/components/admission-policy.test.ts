import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { DEFAULT_IMAGE, loadHooksConfig } from '../../../hooks/config.ts'
import { planSidecar } from '../../../hooks/decorator/plan-sidecar.ts'
import { ENABLE_LABEL, SIDECAR_CONTAINER, STATUS_ANNOTATION } from '../../../lib/service/names.ts'
import type { Manifest } from '../../helpers/kustomize.ts'
import { connect } from '../cluster.ts'
import { kubectl } from '../kubectl.ts'
import { install, MANIFESTS } from '../operator.ts'
import { rolledOut } from '../rollout.ts'
import { waitFor } from '../wait.ts'
import { dryCreate, lacks, usePolicies } from './policies.ts'

const say = (line: string) => console.error(line)
const rendering = loadHooksConfig({ WS_OPERATOR_IMAGE: DEFAULT_IMAGE })
const chat = parse(readFileSync(join(MANIFESTS, 'examples/chat.yaml'), 'utf8'))

/** The example app, labelled, with its pod changed; without its annotations, which alone leave it to the hooks. */
function labelled(change: (pod: Manifest, deployment: Manifest) => void = () => {}): Manifest {
  const copy = structuredClone(chat)
  delete copy.metadata.annotations
  copy.metadata.labels[ENABLE_LABEL] = 'true'
  change(copy.spec.template.spec, copy)
  return copy
}

const port = (containerPort: number, name?: string, protocol = 'TCP') => ({ containerPort, name, protocol })

/** Deployments that the policy changes, and those that it leaves to the hooks. */
const CASES: Record<string, [injects: boolean, Manifest]> = {
  'the example': [true, labelled()],
  'no ports': [false, labelled(pod => delete pod.containers[0].ports)],
  'two ports': [false, labelled(pod => (pod.containers[0].ports = [port(8000), port(8001, 'http')]))],
  'a port without a name': [false, labelled(pod => (pod.containers[0].ports = [port(8000)]))],
  'a port named ws, which the probe asks': [
    true,
    labelled(pod => {
      pod.containers[0].ports = [port(8000, 'ws')]
      pod.containers[0].readinessProbe = { tcpSocket: { port: 8000 } }
      pod.containers[0].livenessProbe = { httpGet: { path: '/', port: 'ws' } }
    }),
  ],
  'a probe of another port': [
    false,
    labelled(pod => (pod.containers[0].readinessProbe = { httpGet: { path: '/', port: 3000 } })),
  ],
  'a probe with TLS': [false, labelled(pod => (pod.containers[0].readinessProbe.httpGet.scheme = 'HTTPS'))],
  'two containers': [
    false,
    labelled(pod => {
      const { ports: _, readinessProbe: _r, ...rest } = pod.containers[0]
      pod.containers.push({ ...rest, name: 'other' })
    }),
  ],
  'an init container that ends': [
    true,
    labelled(pod => {
      const { name: _, lifecycle: _l, readinessProbe: _r, ports: _p, ...rest } = pod.containers[0]
      pod.initContainers = [{ ...rest, name: 'first' }]
    }),
  ],
  'an init container that goes on': [
    false,
    labelled(pod => {
      const { name: _, lifecycle: _l, readinessProbe: _r, ports: _p, ...rest } = pod.containers[0]
      pod.initContainers = [{ ...rest, name: 'mesh', restartPolicy: 'Always', ports: [port(15_000, 'websocket')] }]
    }),
  ],
  'a node of Windows': [false, labelled(pod => (pod.nodeSelector = { 'kubernetes.io/os': 'windows' }))],
  'a part of ws-operator': [
    false,
    labelled((_, { metadata }) => (metadata.labels['app.kubernetes.io/part-of'] = 'ws-operator')),
  ],
  'a label managed-by of others': [
    true,
    labelled((_, { metadata }) => (metadata.labels['app.kubernetes.io/managed-by'] = 'Helm')),
  ],
  'an annotation of ours': [
    false,
    labelled((_, { metadata }) => (metadata.annotations = { 'ws.operator/route': 'both' })),
  ],
  'port 3000': [false, labelled(pod => (pod.containers[0].ports = [port(3000, 'http')]))],
  'port 9090': [false, labelled(pod => pod.containers[0].ports.push(port(9090)))],
  'a container with the sidecar’s name': [false, labelled(pod => (pod.containers[0].name = SIDECAR_CONTAINER))],
  'a port with the name of the sidecar’s': [false, labelled(pod => (pod.containers[0].ports[0].name = 'ws-proxy'))],
  'a selector of expressions': [
    false,
    labelled((_, { spec }) => (spec.selector.matchExpressions = [{ key: 'app', operator: 'Exists' }])),
  ],
  'the network of its node': [false, labelled(pod => (pod.hostNetwork = true))],
  'a name that makes no name of a Service': [false, labelled((_, { metadata }) => (metadata.name = '1-chat'))],
  'a long name': [false, labelled((_, { metadata }) => (metadata.name = 'c'.repeat(46)))],
  'made by ws-operator': [
    false,
    labelled((_, { metadata }) => (metadata.labels['app.kubernetes.io/managed-by'] = 'ws-operator')),
  ],
  'another controller': [
    false,
    labelled((_, { metadata }) => {
      const owner = { apiVersion: 'example.test/v1', kind: 'Chat', name: 'chat', uid: '1', controller: true }
      metadata.ownerReferences = [owner]
    }),
  ],
}

t.test('on Kubernetes 1.36: one rollout, no owner reference, removal in one request', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const skip = await lacks(cluster, 'MutatingAdmissionPolicy')
  if (skip) return t.plan(0, skip)
  await install(cluster, say)
  const namespace = await cluster.namespace()
  const sidecars = ({ spec }: Manifest) =>
    (spec.template.spec.initContainers ?? []).filter(({ name }: Manifest) => name === SIDECAR_CONTAINER)
  await usePolicies(
    cluster,
    'admission-policy',
    async () => sidecars(await dryCreate(namespace, labelled())).length > 0,
  )

  for (const [name, [injects, object]] of Object.entries(CASES)) {
    await t.test(`a Deployment with ${name}`, async t => {
      const created = await dryCreate(namespace, object)
      if (!injects) return t.same(sidecars(created), [], 'is left to the hooks')
      const { initContainers = [] } = object.spec.template.spec
      const before = structuredClone(created)
      before.spec.template.spec.initContainers = created.spec.template.spec.initContainers.slice(
        0,
        initContainers.length,
      )
      const planned = planSidecar(before, rendering)
      t.ok(planned.ok)
      if (planned.ok)
        t.match(sidecars(created), JSON.parse(JSON.stringify([planned.plan.sidecar])), 'as the hooks would')
      t.equal(created.spec.template.spec.initContainers.length, initContainers.length + 1)
      t.equal(created.spec.template.spec.initContainers.at(-1).name, SIDECAR_CONTAINER, 'in the hooks’ place')
    })
  }

  await t.test('the first rollout has the sidecar, and the hooks change nothing of it', t => oneRollout(t))

  async function oneRollout(t: Test) {
    const { api } = cluster
    const deployments = await api.resource('apps/v1', 'deployments')
    const now = () => api.get(deployments, namespace, 'chat')
    const stale = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      name: 'chat',
      uid: '00000000-0000-4000-8000-000000000000',
    }
    const object = labelled((_, { metadata }) => (metadata.ownerReferences = [stale]))
    await kubectl(['create', '-n', namespace, '-f', '-'], { input: JSON.stringify(object) })
    const created = await now()
    t.equal(sidecars(created).length, 1)
    await waitFor(
      'the status is Injected',
      async () => (await now()).metadata.annotations?.[STATUS_ANNOTATION] === 'Injected',
    )
    await rolledOut(cluster, namespace, 'chat')
    const injected = await now()
    t.same(injected['spec'].template, created['spec'].template)
    const replicaSets = await api.list(await api.resource('apps/v1', 'replicasets'), namespace, 'app=chat')
    t.equal(replicaSets.items.length, 1, 'one ReplicaSet')
    t.equal(injected.metadata.ownerReferences, undefined, 'neither the stale reference nor the hooks’ own')

    const without = await dryCreate(namespace, {
      ...structuredClone(chat),
      metadata: { ...chat.metadata, name: 'other' },
    })
    const unlabel = JSON.stringify({ metadata: { labels: { [ENABLE_LABEL]: null } } })
    const out = await kubectl([
      'patch',
      'deployment',
      'chat',
      '-n',
      namespace,
      '--type=merge',
      '-p',
      unlabel,
      '-o',
      'json',
    ])
    t.same(JSON.parse(out).spec.template, without.spec.template, 'gone in the request that takes the label away')
    const left = await waitFor('the finalizer is gone', async () => {
      const object = await now()
      return object.metadata.finalizers === undefined && object
    })
    t.same(left['spec'].template, without.spec.template)
    t.equal(left.metadata.ownerReferences, undefined)
    t.equal(left.metadata.annotations?.[STATUS_ANNOTATION], undefined)
  }
})
