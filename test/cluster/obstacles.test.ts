import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  API_VERSION,
  BALANCER_KIND,
  DOMAIN,
  ENABLE_LABEL,
  SIDECAR_CONTAINER,
  STATUS_MESSAGE_ANNOTATION,
} from '../../lib/service/names.ts'
import { connect, kubectlApply } from './cluster.ts'
import { dump } from './dump.ts'
import { kubectl } from './kubectl.ts'
import { install, MANIFESTS, podsOf, SYSTEM_NAMESPACE } from './operator.ts'
import { rolledOut } from './rollout.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

/** Longest time until a change of a Deployment's status is told, which causes no call of a hook. */
const TOLD_MS = 90_000

t.test('statuses say what is in the way, and what a small node allows starts', async t => {
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { metacontroller } = await install(cluster, say)
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump([namespace, SYSTEM_NAMESPACE]))
    say(`--- ${metacontroller.name}\n${await metacontroller.log()}`)
  })
  const { api } = cluster
  const deployments = await api.resource('apps/v1', 'deployments')
  const balancers = await api.resource(API_VERSION, BALANCER_KIND)
  const kube = (...args: string[]) => kubectl([...args, '-n', namespace])
  const message = async () =>
    (await api.get(deployments, namespace, 'chat')).metadata.annotations?.[STATUS_MESSAGE_ANNOTATION] ?? ''
  const condition = async (type: string, name: string) => {
    const { status } = await api.get(balancers, namespace, name)
    return status?.conditions?.find((one: { type: string }) => one.type === type) ?? {}
  }
  const reason = (type: string, name: string, wanted: string) =>
    waitFor(`${type} of ${name} is ${wanted}`, async () => {
      const now = await condition(type, name)
      return now.reason === wanted && now
    })

  await step('who may view, edit or administer a namespace may do so with its balancers', async t => {
    for (const role of ['view', 'edit', 'admin'])
      await kube('create', 'rolebinding', role, `--clusterrole=${role}`, `--user=${role}-er`)
    const may = (who: string, verb: string, ...what: string[]) =>
      kube('auth', 'can-i', verb, ...what, `--as=${who}-er`).then(
        out => /^yes/m.test(out),
        () => false,
      )
    const kind = 'websocketbalancers.ws.operator'
    await waitFor('the roles are aggregated', () => may('view', 'list', kind))
    for (const who of ['edit', 'admin']) {
      for (const verb of ['get', 'watch', 'create', 'patch', 'delete'])
        t.ok(await may(who, verb, kind), `${who} ${verb}`)
      t.ok(await may(who, 'patch', kind, '--subresource=scale'), `${who} scales`)
    }
    for (const verb of ['create', 'patch', 'delete']) t.notOk(await may('view', verb, kind), verb)
  })

  await step('a balancer whose target does not exist says so', async t => {
    await kubectlApply({
      apiVersion: API_VERSION,
      kind: BALANCER_KIND,
      metadata: { name: 'edge', namespace },
      spec: { target: 'chat' },
    })
    t.match(await reason('Ready', 'edge', 'NoTarget'), {
      message: `There is no Deployment chat in namespace ${namespace}.`,
    })
    await kube('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
    await kube('scale', 'deployment', 'chat', '--replicas=1')
    t.match(await reason('Ready', 'edge', 'NoMembers'), { message: /has no sidecars: label it/ })
  })

  await step('kubectl scale works on it', async t => {
    await kube('scale', 'wsb', 'edge', '--replicas=1')
    await waitFor('its Deployment follows', async () => {
      return (await api.get(deployments, namespace, 'edge-balancer'))['spec'].replicas === 1
    })
    const scale = JSON.parse(
      await kubectl(['get', '--raw', `/apis/${API_VERSION}/namespaces/${namespace}/websocketbalancers/edge/scale`]),
    )
    t.equal(scale.spec.replicas, 1)
  })

  await step('an autoscaler that is not ours is told', async t => {
    await kube('autoscale', 'deployment', 'edge-balancer', '--min=3', '--max=4', '--cpu-percent=50', '--name=mine')
    t.match(await reason('Degraded', 'edge', 'Contested'), { message: /^HorizontalPodAutoscaler mine scales/ })
    await kube('delete', 'hpa', 'mine')
    await reason('Degraded', 'edge', 'AsSpecified')
  })

  await step('a sidecar starts with a fiftieth of a core', async t => {
    await kube('annotate', 'deployment', 'chat', `${DOMAIN}/sidecar-cpu-limit=20m`, `${DOMAIN}/balancer=none`)
    await kube('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
    await waitFor(
      'it is in the template',
      async () => (await api.get(deployments, namespace, 'chat'))['spec'].template.spec.initContainers?.length === 1,
    )
    const started = Date.now()
    await rolledOut(cluster, namespace, 'chat')
    say(`ready after ${((Date.now() - started) / 1000).toFixed(0)} s at a CPU limit of 20m`)
    const pods = await podsOf(cluster, namespace, 'app=chat')
    for (const { status } of pods) {
      const sidecar = status.initContainerStatuses.find(({ name }: { name: string }) => name === SIDECAR_CONTAINER)
      t.match(sidecar, { restartCount: 0, started: true, ready: true })
    }
  })

  await step('what refuses the pods is said, until it is gone', async t => {
    const hard = { 'requests.memory': '1Mi' }
    await kubectlApply({
      apiVersion: 'v1',
      kind: 'ResourceQuota',
      metadata: { name: 'small', namespace },
      spec: { hard },
    })
    await kube('rollout', 'restart', 'deployment/chat')
    const said = await waitFor(
      'the status says so',
      async () => {
        const text = await message()
        return /No pod can be made \(FailedCreate\)/.test(text) && text
      },
      TOLD_MS,
    )
    t.match(said, /exceeded quota: small/)
    await kube('delete', 'resourcequota', 'small')
    await waitFor('it is no longer said', async () => !/No pod can be made/.test(await message()), 3 * TOLD_MS)
    await rolledOut(cluster, namespace, 'chat')
  })
})
