import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  API_VERSION,
  BALANCER_KIND,
  DOMAIN,
  ENABLE_LABEL,
  MESSAGE_PATH,
  podTokenName,
  STATUS_ANNOTATION,
  STATUS_MESSAGE_ANNOTATION,
} from '../../lib/service/names.ts'
import type { KubeObject } from './api.ts'
import { BAD_SPECS, FULL_SPEC } from './balancer-specs.ts'
import { connectApart } from './clients.ts'
import { connect, kubectlApply } from './cluster.ts'
import { dump } from './dump.ts'
import { kubectl } from './kubectl.ts'
import { install, MANIFESTS, podsOf, SYSTEM_NAMESPACE } from './operator.ts'
import { overlayWithPodToken } from './overlay.ts'
import { reach } from './reach.ts'
import { rolledOut } from './rollout.ts'
import { stays, waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

t.test('a WebSocketBalancer, as its users see it', async t => {
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { metacontroller, calls } = await install(cluster, say, { manifests: await overlayWithPodToken(cluster) })
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump([namespace, SYSTEM_NAMESPACE]))
    say(`--- ${metacontroller.name}\n${await metacontroller.log()}`)
  })
  const { api } = cluster
  const [balancers, deployments, services, autoscalers] = await Promise.all([
    api.resource(API_VERSION, BALANCER_KIND),
    api.resource('apps/v1', 'deployments'),
    api.resource('v1', 'services'),
    api.resource('autoscaling/v2', 'horizontalpodautoscalers'),
  ])
  const kube = (...args: string[]) => kubectl([...args, '-n', namespace])
  const balancer = (name = 'edge') => api.get(balancers, namespace, name)
  const child = (name = 'edge') => api.get(deployments, namespace, `${name}-balancer`)
  const exists = (kinds: string, name: string) => kube('get', kinds, '-o', 'name', '--ignore-not-found', name)
  const write = (name: string, spec: object) =>
    kubectlApply({ apiVersion: API_VERSION, kind: BALANCER_KIND, metadata: { name, namespace }, spec })
  const patch = (spec: object, name = 'edge') =>
    kube('patch', 'wsb', name, '--type=merge', '-p', JSON.stringify({ spec }))
  const condition = ({ status }: KubeObject, type: string) =>
    status?.conditions?.find((one: { type: string }) => one.type === type) ?? {}
  const readyReason = (reason: string, name = 'edge') =>
    waitFor(`${name} is ${reason}`, async () => {
      const now = await balancer(name)
      return (
        condition(now, 'Ready').reason === reason && now.status.observedGeneration === now.metadata.generation && now
      )
    })
  const scaleApp = async (replicas: number) => {
    await kube('scale', 'deployment', 'chat', `--replicas=${replicas}`)
    if (replicas > 0) await rolledOut(cluster, namespace, 'chat')
  }
  const resync = async () => {
    const before = await calls('/composite/sync')
    await metacontroller.resync()
    await waitFor('the hook is called again', async () => (await calls('/composite/sync')) > before)
  }
  const versions = async () =>
    (
      await kube(
        'get',
        'wsb,deploy,svc,sa,role,rolebinding,pdb,hpa',
        '-o',
        'jsonpath={range .items[*]}{.kind}/{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}',
      )
    ).trim()
  const firstToken = async () => {
    const secret = await api.get(await api.resource('v1', 'secrets'), namespace, podTokenName('chat'))
    return Buffer.from(secret['data'].token, 'base64').toString()
  }

  await kube('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
  await kube('annotate', 'deployment', 'chat', `${DOMAIN}/balancer=none`)
  // So that its users know on which member they are.
  await kube('annotate', 'deployment', 'chat', `${DOMAIN}/expose-topology=true`)
  await kube('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
  await waitFor('it is injected', async () => {
    const { metadata } = await api.get(deployments, namespace, 'chat')
    return metadata.annotations?.[STATUS_ANNOTATION] === 'Injected'
  })
  await scaleApp(2)

  await step('the API server says what is wrong with a spec', async t => {
    const dryRun = (spec: object) =>
      kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], {
        input: JSON.stringify({
          apiVersion: API_VERSION,
          kind: BALANCER_KIND,
          metadata: { name: 'x', namespace },
          spec,
        }),
      })
    for (const [spec, says] of BAD_SPECS) await t.rejects(dryRun(spec), { message: says }, JSON.stringify(spec))
    await t.resolves(dryRun(FULL_SPEC))
    t.match(
      await kubectl(['explain', 'wsb.spec.autoscaling']),
      /HorizontalPodAutoscaler[\s\S]*maxReplicas[\s\S]*Maximum number of pods/,
    )
  })

  await step('kubectl shows where clients connect, and how many serve them', async t => {
    await write('edge', { target: 'chat', replicas: 1, limits: { maxConnections: 100 } })
    await waitFor('both members are seen', async () => (await balancer()).status?.members === 2)
    const { status } = await readyReason('Available')
    const address = `edge-balancer.${namespace}.svc:80`
    t.match(status, { pods: '1/1', replicas: 1, readyReplicas: 1, members: 2, address })
    t.match(condition({ status } as never, 'Degraded'), { status: 'False' })
    const table = await kube('get', 'wsb')
    say(table)
    const [head, row] = table.split('\n').map(line => line.trim().split(/\s+/))
    t.strictSame(head, ['NAME', 'TARGET', 'READY', 'REASON', 'PODS', 'MEMBERS', 'ADDRESS', 'AGE'])
    t.strictSame(row?.slice(0, -1), ['edge', 'chat', 'True', 'Available', '1/1', '2', address])
    await t.rejects(patch({ target: 'other' }), { message: /target cannot be changed/ })
    await t.rejects(patch({ targetUID: 'x' }), { message: /targetUID cannot be changed/ })
  })

  await step('its account may watch EndpointSlices here, and nothing else', async t => {
    const may = async (verb: string, resource: string, where = namespace) => {
      const account = `--as=system:serviceaccount:${namespace}:edge-balancer`
      return await kubectl(['auth', 'can-i', verb, resource, '-n', where, account]).then(
        out => /^yes/m.test(out),
        () => false,
      )
    }
    const slices = 'endpointslices.discovery.k8s.io'
    for (const verb of ['list', 'watch']) t.ok(await may(verb, slices), verb)
    for (const verb of ['get', 'create', 'update', 'patch', 'delete']) t.notOk(await may(verb, slices), verb)
    t.notOk(await may('list', slices, 'default'), 'in another namespace')
    for (const resource of ['secrets', 'pods', 'services', 'endpoints', 'deployments.apps'])
      t.notOk(await may('list', resource), resource)
  })

  await step('once settled, nothing is called, and a sync changes nothing', async t => {
    // Its status changes while its pods get ready.
    await rolledOut(cluster, namespace, 'edge-balancer')
    await resync()
    await waitFor('it is quiet', async () => {
      const now = await calls('/composite/sync')
      return stays('syncs', () => calls('/composite/sync'), now)
    })
    const before = await versions()
    await resync()
    t.ok(await stays('the versions', versions, before))
  })

  await step('members and conditions follow the pods, to none and back', async t => {
    const since = condition(await balancer(), 'Ready').lastTransitionTime
    await scaleApp(0)
    const without = await readyReason('NoMembers')
    t.equal(without.status.members, 0)
    t.ok(condition(without, 'Ready').lastTransitionTime >= since)
    await scaleApp(2)
    await waitFor('two members', async () => (await readyReason('Available')).status.members === 2)
    await patch({ replicas: 0 })
    const asleep = await readyReason('ScaledToZero')
    await waitFor('no pod is left', async () => (await balancer()).status.pods === '0/0')
    t.match(asleep.status, { members: 2, address: `edge-balancer.${namespace}.svc:80` })
    t.match(condition(asleep, 'Degraded'), { status: 'False' })
    await patch({ replicas: 1 })
    await readyReason('Available')
    await waitFor('it is rolled out', async () => condition(await balancer(), 'Progressing').reason === 'Complete')
  })

  await step('an autoscaler says how many pods there are, and nobody fights it', async t => {
    await patch({ replicas: null, autoscaling: { minReplicas: 1, maxReplicas: 4 } })
    const autoscaler = await waitFor('the autoscaler is there', () => api.get(autoscalers, namespace, 'edge-balancer'))
    t.match(autoscaler['spec'], { minReplicas: 1, maxReplicas: 4, scaleTargetRef: { name: 'edge-balancer' } })
    const replicas = async () => (await child())['spec'].replicas
    t.equal(await replicas(), 1, 'what we said last is not taken back')
    await kube('scale', 'deployment', 'edge-balancer', '--replicas=2')
    await waitFor('we no longer say it', async () => !ownsReplicas(await child()))
    await resync()
    t.ok(await stays('the number of pods', replicas, 2))
    await waitFor('the status says so', async () => (await balancer()).status.pods === '2/2')
    await patch({ autoscaling: null, replicas: 1 })
    await waitFor('the number is ours again', async () => (await replicas()) === 1)
    await waitFor('the autoscaler is gone', async () => (await exists('hpa', 'edge-balancer')) === '')
    await readyReason('Available')
  })

  await step('the address is that of the load balancer, where one is asked for', async t => {
    await patch({ service: { type: 'LoadBalancer', port: 8080 } })
    t.equal((await readyReason('NoAddress')).status.address, undefined)
    const loadBalancer = { status: { loadBalancer: { ingress: [{ ip: '192.0.2.7' }] } } }
    await kube(
      'patch',
      'service',
      'edge-balancer',
      '--subresource=status',
      '--type=merge',
      '-p',
      JSON.stringify(loadBalancer),
    )
    t.equal((await readyReason('Available')).status.address, '192.0.2.7:8080')
    await patch({ service: null })
    await readyReason('Available')
    const { spec } = await api.get(services, namespace, 'edge-balancer')
    t.match(spec, { type: 'ClusterIP', ports: [{ port: 80 }] })
    t.equal(spec.ports[0].nodePort, undefined)
  })

  await step('an object of a user that has the name of a child is left alone', async t => {
    const ports = [{ name: 'mine', port: 1 }]
    await kubectlApply({
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'two-balancer', namespace },
      spec: { ports },
    })
    const before = await api.get(services, namespace, 'two-balancer')
    await write('two', { target: 'chat', replicas: 0 })
    const refused = await readyReason('NameTaken', 'two')
    t.match(condition(refused, 'Ready').message, /^Service two-balancer exists .* Delete or rename it/)
    t.match(condition(refused, 'Degraded'), { status: 'True', reason: 'NameTaken' })
    await resync()
    t.same(await api.get(services, namespace, 'two-balancer'), before)
    t.equal(await exists('deploy,sa,role,rolebinding,pdb', 'two-balancer'), '', 'and nothing else is made')
    await kube('delete', 'service', 'two-balancer')
    await readyReason('ScaledToZero', 'two')
    await kube('delete', 'wsb', 'two')
  })

  await step('a WebSocketBalancer of a user is left alone where the label would make one of that name', async t => {
    await write('chat', { target: 'chat', replicas: 0 })
    const before = await readyReason('ScaledToZero', 'chat')
    await kube('annotate', 'deployment', 'chat', `${DOMAIN}/balancer-`)
    const message = await waitFor('the status message says so', async () => {
      const { metadata } = await api.get(deployments, namespace, 'chat')
      const text = metadata.annotations?.[STATUS_MESSAGE_ANNOTATION] ?? ''
      return /WebSocketBalancer chat is not made/.test(text) && text
    })
    t.match(message, /delete it, or keep it and set ws\.operator\/balancer to none/)
    await resync()
    const after = await balancer('chat')
    t.same(after['spec'], before['spec'])
    t.equal(after.metadata.ownerReferences, undefined)
    await kube('delete', 'wsb', 'chat')
    const made = await waitFor('ours is made', async () => {
      const now = await balancer('chat')
      return now.metadata.ownerReferences !== undefined && now
    })
    t.match(made.metadata.ownerReferences, [{ kind: 'Deployment', name: 'chat', controller: true }])
  })

  await step('what a user adds to the object that a label made stays', async t => {
    await patch({ service: { port: 8080 }, autoscaling: { minReplicas: 1, maxReplicas: 2 } }, 'chat')
    await waitFor('the Service has it', async () => {
      const { spec } = await api.get(services, namespace, 'chat-balancer')
      return spec.ports[0].port === 8080
    })
    await resync()
    t.match((await balancer('chat'))['spec'], { service: { port: 8080 }, autoscaling: { maxReplicas: 2 } })
    await patch({ service: null, autoscaling: null }, 'chat')
  })

  await step('sidecars ask each other for a token, and take messages of each other', async t => {
    const pods = await podsOf(cluster, namespace, 'app=chat')
    const token = await firstToken()
    const post = async (headers: Record<string, string>) => {
      const url = `http://${pods[0]?.['status'].podIP}:3000${MESSAGE_PATH}`
      const body = Buffer.from('\u0001hello')
      const answer = await fetch(url, { method: 'POST', headers: { 'ws-user-id': 'nobody', ...headers }, body })
      return { status: answer.status, text: await answer.text() }
    }
    // A stranger's request is a client's: the app answers it.
    for (const stranger of [{}, { authorization: 'Bearer wrong' }])
      t.notMatch(await post(stranger), { text: /WSO_ERR_OFFLINE/ })
    const { status, text } = await post({ authorization: `Bearer ${token}` })
    t.ok(status === 421 || /WSO_ERR_OFFLINE/.test(text), `${status}: let in; the user is not here`)
    await readyReason('Available', 'chat')
    const [alice, bob] = await connectApart(await reach(cluster, namespace, 'chat-balancer'))
    alice.send({ recipientId: bob.name, text: 'hello' })
    await waitFor('the message crosses pods', async () => bob.received.length > 0, 10_000)
    await Promise.all([alice.close(), bob.close()])
  })

  await step('without the label the token is gone, and with it what was made', async t => {
    await kube('label', 'deployment', 'chat', `${ENABLE_LABEL}-`)
    await waitFor('the Secret is gone', async () => (await exists('secret', podTokenName('chat'))) === '')
    await waitFor('the balancer is gone', async () => (await exists('wsb', 'chat')) === '')
    const { spec } = await waitFor('the finalizer is gone', async () => {
      const now = await api.get(deployments, namespace, 'chat')
      return now.metadata.finalizers === undefined && now
    })
    t.notMatch(JSON.stringify(spec), 'websocket-proxy')
  })
})

/** Whether what was applied to a Deployment says how many pods it has. */
const ownsReplicas = ({ metadata }: KubeObject): boolean =>
  metadata['managedFields'].some(
    (entry: { operation: string; fieldsV1: Record<string, Record<string, unknown>> }) =>
      entry.operation === 'Apply' && entry.fieldsV1['f:spec']?.['f:replicas'],
  )
