import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { ENABLE_LABEL, SIDECAR_CONTAINER, STATUS_ANNOTATION } from '../../lib/service/names.ts'
import { connect } from './cluster.ts'
import { kubectl } from './kubectl.ts'
import { install, MANIFESTS } from './operator.ts'
import { rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

/**
 * The two ways in which tools apply what is in Git, each with kubectl in the tool's part: by server-side apply (Flux, Helm 4), and by a
 * three-way merge (Argo CD, Helm 3).
 */
const WAYS = { 'server-side': ['--server-side', '--field-manager=gitops'], 'three-way': [] }

t.test('a tool that applies what is in Git has nothing to undo, and undoes nothing', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  await install(cluster, say)
  const { api } = cluster
  const deployments = await api.resource('apps/v1', 'deployments')
  for (const [way, options] of Object.entries(WAYS)) {
    await t.test(way, async t => {
      const namespace = await cluster.namespace()
      const chat = () => api.get(deployments, namespace, 'chat')
      const source = parse(readFileSync(join(MANIFESTS, 'examples/chat.yaml'), 'utf8'))
      const [container] = source.spec.template.spec.containers
      const tool = (verb: 'apply' | 'diff') =>
        kubectl([verb, ...options, '-n', namespace, '-f', '-'], { input: JSON.stringify(source) })
      await tool('apply')
      await kubectl(['label', '-n', namespace, 'deployment/chat', `${ENABLE_LABEL}=true`])
      source.metadata.labels[ENABLE_LABEL] = 'true'
      await tool('apply')
      await waitFor('Injected', async () => (await chat()).metadata.annotations?.[STATUS_ANNOTATION] === 'Injected')
      await rolledOut(cluster, namespace, 'chat')

      t.equal(await tool('diff'), '', 'no drift is seen')
      const { generation } = (await chat()).metadata
      await tool('apply')
      t.equal((await chat()).metadata.generation, generation, 'applying it again changes nothing')

      container.env.push({ name: 'VERSION', value: '2' })
      await tool('apply')
      const { spec, metadata } = await chat()
      t.match(spec.template.spec.initContainers, [{ name: SIDECAR_CONTAINER }], 'a new version keeps the sidecar')
      t.match(spec.template.spec.containers[0].env.at(-1), { name: 'VERSION', value: '2' })
      await rolledOut(cluster, namespace, 'chat')
      const replicaSets = await api.list(await api.resource('apps/v1', 'replicasets'), namespace, 'app=chat')
      t.equal(replicaSets.items.length, 3, 'created, injected, the new version: one rollout each')
      t.match(metadata.ownerReferences, [{ uid: metadata.uid }], 'documented: what keeps Argo CD from pruning it')

      delete source.metadata.labels[ENABLE_LABEL]
      await tool('apply')
      const label = (await chat()).metadata.labels?.[ENABLE_LABEL]
      t.equal(label, way === 'server-side' ? 'true' : undefined, 'documented: a label that was set by hand before')
      await kubectl(['label', '-n', namespace, 'deployment/chat', `${ENABLE_LABEL}-`])
      const released = async () => !(await chat()).spec.template.spec.initContainers
      t.ok(await waitFor('the sidecar is gone', released))
    })
  }
})
