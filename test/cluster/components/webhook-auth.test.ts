import { join } from 'node:path'
import t from 'tap'
import { DOMAIN, ENABLE_LABEL, SIDECAR_CONTAINER, STATUS_ANNOTATION } from '../../../lib/service/names.ts'
import { connect } from '../cluster.ts'
import { dump } from '../dump.ts'
import { installInCluster, prepare, rolledOutAll } from '../in-cluster.ts'
import { kubectl } from '../kubectl.ts'
import { noMetacontroller } from '../metacontroller-image.ts'
import { allPodsOf, MANIFESTS, metric, podsOf, SYSTEM_NAMESPACE } from '../operator.ts'
import { reach } from '../reach.ts'
import { waitFor } from '../wait.ts'

const say = (line: string) => console.error(line)
const HOOKS = 'ws-operator-hooks'
const SECRET = 'ws-operator-hooks-token'

t.test('Metacontroller shows the hooks a token, or is not answered', { skip: noMetacontroller }, async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { api } = cluster
  const inSystem = (...args: string[]) => kubectl([...args, '-n', SYSTEM_NAMESPACE], { limitMs: 150_000 })
  const secret = (token: string) => ['create', 'secret', 'generic', SECRET, `--from-literal=token=${token}`]
  await prepare(cluster, say)
  await kubectl(['create', 'namespace', SYSTEM_NAMESPACE])
  await inSystem(...secret('first'))
  await installInCluster(cluster, ['webhook-auth', 'network-policy'])
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (!t.passing()) say(await dump([namespace, SYSTEM_NAMESPACE]))
  })
  const deployments = await api.resource('apps/v1', 'deployments')
  const chat = () => api.get(deployments, namespace, 'chat')
  const sidecar = async () =>
    (await chat())['spec'].template.spec.initContainers?.find(
      ({ name }: { name: string }) => name === SIDECAR_CONTAINER,
    )
  const refused = async () => {
    const pods = await podsOf(cluster, SYSTEM_NAMESPACE, `app.kubernetes.io/name=${HOOKS}`)
    const counts = pods.map(({ metadata: { name } }) =>
      metric(SYSTEM_NAMESPACE, name, 'ws_operator_hook_requests_total', 'outcome="unauthorized"'),
    )
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0)
  }

  await t.test('with the token it works', async t => {
    await kubectl(['apply', '-n', namespace, '-f', join(MANIFESTS, 'examples/chat.yaml')])
    await kubectl(['label', '-n', namespace, 'deployment', 'chat', `${ENABLE_LABEL}=true`])
    await waitFor('Injected', async () => (await chat()).metadata.annotations?.[STATUS_ANNOTATION] === 'Injected')
    t.equal(await refused(), 0)
  })

  await t.test('whoever has none gets 401', async t => {
    const address = await reach(cluster, SYSTEM_NAMESPACE, HOOKS)
    const answer = await fetch(`http://${address}/decorator/sync`, { method: 'POST', body: '{}' })
    t.equal(answer.status, 401)
    t.match(await answer.json(), { code: 'WSO_ERR_UNAUTHORIZED' })
  })

  await t.test('with another token nothing happens, and both logs say why', async t => {
    const before = await refused()
    await inSystem('delete', 'secret', SECRET)
    await inSystem(...secret('second'))
    await inSystem('rollout', 'restart', `deployment/${HOOKS}`)
    await rolledOutAll()
    // The old ones still know the old token.
    await waitFor('the old hooks are gone', async () => {
      return (await allPodsOf(cluster, SYSTEM_NAMESPACE, `app.kubernetes.io/name=${HOOKS}`)).length === 2
    })
    await kubectl(['annotate', '-n', namespace, 'deployment', 'chat', `${DOMAIN}/log-level=debug`])
    await waitFor('hooks refuse', async () => (await refused()) > before)
    t.match(await inSystem('logs', `-l=app.kubernetes.io/name=${HOOKS}`), /"the bearer token is missing or wrong"/)
    const log = await waitFor('Metacontroller says so', async () => {
      const text = await inSystem('logs', 'deployment/ws-operator-metacontroller')
      return /401/.test(text) && text
    })
    t.match(log, /WSO_ERR_UNAUTHORIZED|401/)
    t.notOk((await sidecar()).env.some(({ name }: { name: string }) => name === 'WS_OPERATOR_LOG_LEVEL'))
  })

  await t.test('after a restart of both, as documented, it works again', async t => {
    await inSystem('rollout', 'restart', 'deployment')
    await rolledOutAll()
    const level = async () =>
      (await sidecar()).env.find(({ name }: { name: string }) => name === 'WS_OPERATOR_LOG_LEVEL')?.value
    await waitFor('the change arrives', async () => (await level()) === 'debug')
    // Before it went, the old Metacontroller may have asked the new hooks.
    const before = await refused()
    await kubectl(['annotate', '--overwrite', '-n', namespace, 'deployment', 'chat', `${DOMAIN}/log-level=warn`])
    await waitFor('the next one arrives', async () => (await level()) === 'warn')
    t.equal(await refused(), before)
  })

  await t.test('the network policies select the pods that they are for', async t => {
    const policies = await api.list(await api.resource('networking.k8s.io/v1', 'networkpolicies'), SYSTEM_NAMESPACE)
    t.equal(policies.items.length, 2)
    for (const { metadata, spec } of policies.items) {
      const selector = Object.entries(spec.podSelector.matchLabels).map(([key, value]) => `${key}=${value}`)
      const pods = await podsOf(cluster, SYSTEM_NAMESPACE, selector.join())
      t.ok(pods.length > 0 && pods.every(pod => pod.metadata.name.startsWith(metadata.name)), metadata.name)
    }
  })

  await t.test('Metacontroller’s metrics are where they are scraped', async t => {
    const [pod] = await podsOf(cluster, SYSTEM_NAMESPACE, 'app.kubernetes.io/name=ws-operator-metacontroller')
    const path = `/api/v1/namespaces/${SYSTEM_NAMESPACE}/pods/${pod?.metadata.name}:9999/proxy/metrics`
    t.match(await kubectl(['get', '--raw', path]), /^rest_client_requests_total/m)
  })

  await t.test('the hooks have no way to ask the API server', async t => {
    for (const { metadata, spec } of await podsOf(cluster, SYSTEM_NAMESPACE, `app.kubernetes.io/name=${HOOKS}`)) {
      const sources = spec.volumes.flatMap(
        (volume: { projected?: { sources: object[] } }) => volume.projected?.sources ?? [],
      )
      t.same(sources, [], `${metadata.name} mounts no token of its account`)
    }
    const account = `system:serviceaccount:${SYSTEM_NAMESPACE}:${HOOKS}`
    const may = await kubectl(['auth', 'can-i', '--list', `--as=${account}`, '--as-group=system:serviceaccounts'])
    const anybody = await kubectl([
      'auth',
      'can-i',
      '--list',
      '--as=system:serviceaccount:default:nobody',
      '--as-group=system:serviceaccounts',
    ])
    t.equal(may, anybody, 'and may do nothing that not every account may')
  })
})
