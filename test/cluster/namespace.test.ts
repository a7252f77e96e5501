import { join } from 'node:path'
import t from 'tap'
import { ENABLE_LABEL, STATUS_ANNOTATION } from '../../lib/service/names.ts'
import { overlay } from '../helpers/kustomize.ts'
import { connect } from './cluster.ts'
import { dump } from './dump.ts'
import { prepare, rolledOutAll } from './in-cluster.ts'
import { kubectl } from './kubectl.ts'
import { noMetacontroller } from './metacontroller-image.ts'
import { MANIFESTS, SYSTEM_NAMESPACE } from './operator.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)
const PLACE = 'ws-operator-elsewhere'

t.test('it works in a namespace of another name, nothing patched', { skip: noMetacontroller }, async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  await prepare(cluster, say)
  const { folder, remove } = overlay('with-metacontroller', ['network-policy'], {
    namespace: PLACE,
    transformers: ['namespace'],
  })
  cluster.undo(async () => {
    await kubectl(['delete', '-k', folder, '--ignore-not-found', '--timeout=120s'], { limitMs: 150_000 })
    remove()
  })
  await kubectl(['apply', '-k', folder])
  await rolledOutAll(PLACE)
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (!t.passing()) say(await dump([namespace, PLACE]))
  })
  const kube = (...args: string[]) => kubectl([...args, '-n', namespace], { limitMs: 150_000 })
  await kube('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
  await kube('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
  await waitFor('the hooks are called, and the chosen leader acts', async () => {
    const chat = JSON.parse(await kube('get', 'deployment', 'chat', '-o', 'json'))
    return chat.metadata.annotations?.[STATUS_ANNOTATION] === 'Injected'
  })
  await kube('wait', 'websocketbalancer/chat', '--for=condition=Ready', '--timeout=120s')
  t.match(await kubectl(['get', 'leases', '-n', PLACE, '-o', 'name']), /ws-operator-metacontroller/)
  t.equal(await kubectl(['get', 'namespace', SYSTEM_NAMESPACE, '--ignore-not-found', '-o', 'name']), '')
  await kube('label', 'deployment', 'chat', `${ENABLE_LABEL}-`)
  await waitFor('it lets go', async () => {
    const chat = JSON.parse(await kube('get', 'deployment', 'chat', '-o', 'json'))
    return chat.metadata.finalizers === undefined
  })
})
