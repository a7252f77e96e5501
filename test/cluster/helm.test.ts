import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse } from 'yaml'
import { ENABLE_LABEL } from '../../lib/service/names.ts'
import { connect } from './cluster.ts'
import { run } from './kubectl.ts'
import { install, MANIFESTS } from './operator.ts'
import { containerNames, Place } from './risks/place.ts'
import { ROLLOUT_MS, rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

const LABEL = { [ENABLE_LABEL]: 'true' }

/** Helm 3 or 4. */
const program = process.env['HELM_BIN'] ?? 'helm'
const asked = spawnSync(program, ['version', '--short'], { encoding: 'utf8' })
const skip = asked.status !== 0 && 'HELM_BIN names no Helm, and there is no helm in the PATH'

/** A chart that is whatever Deployment its values have. @returns its folder */
async function makeChart(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-chart-'))
  await mkdir(join(folder, 'templates'))
  await writeFile(join(folder, 'Chart.yaml'), 'apiVersion: v2\nname: chat\nversion: 1.0.0\n')
  await writeFile(join(folder, 'templates/deployment.yaml'), '{{ toYaml .Values.deployment }}\n')
  return folder
}

t.test('a release of a labelled Deployment', { skip }, async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  say(`Helm is ${program} ${asked.stdout.trim()}`)
  await install(cluster, say)
  const namespace = await cluster.namespace()
  const chart = await makeChart()
  cluster.undo(() => rm(chart, { recursive: true }))
  const place = new Place(cluster.api, namespace)
  const helm = (verb: string, ...args: string[]) =>
    run(program, [verb, 'chat', '--namespace', namespace, ...args], { limitMs: ROLLOUT_MS })
  const release = (verb: string, version: string, label: Record<string, string> = LABEL) => {
    const deployment = parse(readFileSync(join(MANIFESTS, 'examples/chat.yaml'), 'utf8'))
    deployment.spec.replicas = 1
    Object.assign(deployment.metadata.labels, label)
    deployment.spec.template.spec.containers[0].env.push({ name: 'VERSION', value: version })
    return run(program, [verb, 'chat', chart, '--namespace', namespace, '--wait', '--values', '-'], {
      input: JSON.stringify({ deployment }),
      limitMs: ROLLOUT_MS,
    })
  }
  const versionOf = async () => (await place.get('chat'))['spec'].template.spec.containers[0].env.at(-1).value
  const containers = async () => containerNames(await place.get('chat')).flat()
  const both = ['websocket-proxy', 'chat']

  await release('install', '1')
  await place.injected('chat')
  await rolledOut(cluster, namespace, 'chat')

  const { generation } = (await place.get('chat')).metadata
  await release('upgrade', '1')
  t.equal((await place.get('chat')).metadata.generation, generation, 'an upgrade without a change changes nothing')

  await release('upgrade', '2')
  t.equal(await versionOf(), '2')
  t.same(await containers(), both, 'an upgrade keeps the sidecar')
  await rolledOut(cluster, namespace, 'chat')
  t.equal((await place.replicaSets('chat')).length, 3, 'created, injected, upgraded: one rollout each')

  await helm('rollback', '1', '--wait')
  t.equal(await versionOf(), '1')
  t.same(await containers(), both, 'a rollback keeps the sidecar')
  await rolledOut(cluster, namespace, 'chat')
  t.equal((await place.replicaSets('chat')).length, 3, 'the pod template is the injected one of before')

  await release('upgrade', '1', {})
  await place.released('chat')
  t.same(await containers(), ['chat'], 'an upgrade that drops the label gives the pod template back')
  const balancers = () => place.list('ws.operator/v1alpha1', 'WebSocketBalancer')
  t.ok(await waitFor('the balancer is gone', async () => (await balancers()).length === 0))

  await release('upgrade', '1')
  await place.injected('chat')
  await helm('uninstall')
  await place.gone('chat')
  t.ok(await waitFor('the balancer is gone', async () => (await balancers()).length === 0))
})
