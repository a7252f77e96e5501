import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ENABLE_LABEL } from '../../lib/service/names.ts'
import { connect } from './cluster.ts'
import { dump } from './dump.ts'
import { commands, follow, shellIn } from './guide.ts'
import { prepare } from './in-cluster.ts'
import { kubectl } from './kubectl.ts'
import { noMetacontroller } from './metacontroller-image.ts'
import { MANIFESTS, podsOf, SYSTEM_NAMESPACE } from './operator.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

t.test('a new user installs it, tries it, looks at it and removes it', { skip: noMetacontroller }, async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  // What the guide has as `console`: Metacontroller's CRDs, and images that the nodes can have.
  await prepare(cluster, say)
  const namespace = await cluster.namespace()
  // The guide writes a file beside the manifests.
  const cwd = await mkdtemp(join(tmpdir(), 'ws-operator-guide-'))
  cluster.undo(() => rm(cwd, { recursive: true }))
  await cp(MANIFESTS, join(cwd, 'manifests'), { recursive: true })
  const env = await shellIn(t, namespace)
  const undo = ['delete', '-k', join(cwd, 'manifests/with-metacontroller'), '--ignore-not-found', '--timeout=120s']
  cluster.undo(() => kubectl(undo, { limitMs: 150_000 }))
  t.teardown(async () => {
    if (!t.passing()) say(await dump([namespace, SYSTEM_NAMESPACE]))
  })
  const place = { cwd, env }

  const [install = '', attempt = '', status = '', components = '', ...more] = commands('install.md')
  t.same(more, [])
  await follow(install, place)
  const seen = await follow(attempt, place)
  t.match(seen, /^websocketbalancer\S* +chat/m)
  t.match(await follow(status, place), /Clients connect to Service chat-balancer, port 80\./)
  for (const { spec, metadata } of await podsOf(cluster, namespace, 'app=chat'))
    t.equal(spec.containers.length + spec.initContainers.length, 2, metadata.name)

  t.match(await follow(components, place), /networkpolicy\S*ws-operator-hooks created/)
  cluster.undo(() =>
    kubectl(['delete', '-k', join(cwd, 'deploy'), '--ignore-not-found', '--timeout=120s'], { limitMs: 150_000 }),
  )

  for (const script of commands('operate.md'))
    t.match(await follow(script, place), /Injected[\s\S]*chat[\s\S]*ws-operator-hooks/)

  const [unlabel = ''] = commands('uninstall.md')
  await follow(unlabel, place)
  await waitFor('the balancer is gone', async () => {
    const names = await kubectl(['get', 'deployments', '-n', namespace, '-o', 'name'])
    return names.trim() === 'deployment.apps/chat'
  })
  const { metadata } = JSON.parse(await kubectl(['get', 'deployment', 'chat', '-n', namespace, '-o', 'json']))
  t.equal(metadata.labels[ENABLE_LABEL], undefined)
  t.equal(metadata.finalizers, undefined)
})
