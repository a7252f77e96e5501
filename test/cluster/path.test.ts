import { join } from 'node:path'
import t, { type Test } from 'tap'
import {
  API_VERSION,
  BALANCER_KIND,
  DOMAIN,
  ENABLE_LABEL,
  SIDECAR_CONTAINER,
  STATUS_ANNOTATION,
  STATUS_MESSAGE_ANNOTATION,
} from '../../lib/service/names.ts'
import type { KubeObject } from './api.ts'
import { connectApart } from './clients.ts'
import { connect, deleteAndWait } from './cluster.ts'
import { dump } from './dump.ts'
import { kubectl } from './kubectl.ts'
import { allPodsOf, install, MANIFESTS, metric, podsOf, SYSTEM_NAMESPACE, uninstall } from './operator.ts'
import { reach } from './reach.ts'
import { ROLLOUT_MS, rolledOut } from './rollout.ts'
import { stays, waitFor } from './wait.ts'

/** Not a TAP comment, which most reporters hide. */
const say = (line: string) => console.error(line)

t.test('from the label to a routed message, and back', async t => {
  // Each step builds on the one before, as a user's day does.
  const step = (name: string, body: (t: Test) => Promise<void>) =>
    t.test(name, { skip: t.passing() ? false : 'an earlier step failed' }, body)
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const { metacontroller, calls } = await install(cluster, say)
  const namespace = await cluster.namespace()
  const { api } = cluster
  t.teardown(async () => {
    if (t.passing()) return
    say(await dump([namespace, SYSTEM_NAMESPACE]))
    say(`--- ${metacontroller.name}\n${await metacontroller.log()}`)
  })
  const deployments = await api.resource('apps/v1', 'deployments')
  const chat = () => api.get(deployments, namespace, 'chat')
  const pods = () => podsOf(cluster, namespace, 'app=chat')
  const inNamespace = (...args: string[]) => kubectl([...args, '-n', namespace])
  const status = (object: KubeObject) => object.metadata.annotations?.[STATUS_ANNOTATION]
  const settled = async () => {
    await rolledOut(cluster, namespace, 'chat')
    // The Deployment's status counts them too.
    await waitFor('the pods that ended are gone', async () => {
      return (await allPodsOf(cluster, namespace, 'app=chat')).length === (await pods()).length
    })
  }
  const resync = async () => {
    const hooks = ['/decorator/sync', '/composite/sync']
    const before = await Promise.all(hooks.map(calls))
    await metacontroller.resync()
    await waitFor('both hooks are called again', async () => {
      const now = await Promise.all(hooks.map(calls))
      return now.every((count, i) => count > (before[i] ?? 0))
    })
  }
  const members = (of: KubeObject[]) =>
    Promise.all(of.map(({ metadata: { name } }) => metric(namespace, name, 'ws_operator_members')))
  const balancerPods = () => podsOf(cluster, namespace, `app.kubernetes.io/instance=chat-balancer`)

  await inNamespace('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
  // Its users shall know on which member they are.
  await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/expose-topology=true`)
  await settled()
  const original = await chat()

  await step('one label gives every pod the sidecar, as a native sidecar', async t => {
    await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
    await waitFor('the status is Injected', async () => status(await chat()) === 'Injected')
    await settled()
    const running = await pods()
    t.equal(running.length, 3)
    for (const { metadata, spec, status } of running) {
      const sidecars = spec.initContainers.filter(({ name }: { name: string }) => name === SIDECAR_CONTAINER)
      t.match(sidecars, [{ restartPolicy: 'Always' }], metadata.name)
      const states = [...status.initContainerStatuses, ...status.containerStatuses]
      t.same(
        states.map(({ name, ready, started, restartCount }) => ({ name, ready, started, restartCount })),
        [SIDECAR_CONTAINER, 'chat'].map(name => ({ name, ready: true, started: true, restartCount: 0 })),
      )
    }
    const { spec, metadata } = await chat()
    t.same(spec.template.spec.containers, original['spec'].template.spec.containers, 'the app’s container is as it was')
    const statuses = Object.keys(metadata.annotations ?? {}).filter(key => key === STATUS_ANNOTATION)
    t.equal(statuses.length, 1)
    const described = await inNamespace('describe', 'deployment', 'chat')
    t.match(described, `${STATUS_ANNOTATION}: Injected`, 'kubectl describe shows the status')
    t.match(described, /status-message:\s+Sidecar on port 3000, app on port 3001/, 'and the message')
  })

  await step('once settled, a sync changes nothing', async t => {
    // Its status changes while its pods get ready.
    await rolledOut(cluster, namespace, 'chat-balancer')
    await resync()
    const versions = async () => {
      const balancers = await api.resource(API_VERSION, BALANCER_KIND)
      const objects = await Promise.all([
        chat(),
        api.get(deployments, namespace, 'chat-balancer'),
        api.get(balancers, namespace, 'chat'),
      ])
      return objects.map(({ metadata: { name, resourceVersion } }) => [name, resourceVersion])
    }
    const before = await versions()
    await resync()
    t.ok(await stays('the versions of the objects', versions, before))
  })

  await step('a message reaches a user on another pod, through the balancer', async t => {
    await waitFor('every sidecar knows three members', async () =>
      (await members(await pods())).every(count => count === 3),
    )
    const address = await reach(cluster, namespace, 'chat-balancer')
    const [alice, bob] = await connectApart(address)
    t.not(alice.member, bob.member, `${alice.name} is on ${alice.member}, ${bob.name} on ${bob.member}`)
    for (const [from, to] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      const message = { recipientId: to.name, from: from.name, text: 'hello' }
      from.send(message)
      await waitFor(`${to.name} has the message`, async () => to.received.length > 0, 10_000)
      t.same(
        to.received.map(text => JSON.parse(text)),
        [message],
      )
    }
    await Promise.all([alice.close(), bob.close()])
  })

  await step('the balancer follows the pods', async t => {
    for (const replicas of [4, 3]) {
      await inNamespace('scale', 'deployment', 'chat', `--replicas=${replicas}`)
      const all = await waitFor(`every balancer knows ${replicas} members`, async () => {
        const now = await members(await balancerPods())
        return now.length > 0 && now.every(count => count === replicas) && now
      })
      t.ok(all.length > 0, `${all.length} balancers know ${replicas} members`)
    }
    await settled()
  })

  await step('a bad annotation is refused with a message, and the pods go on', async t => {
    const uids = async () => (await pods()).map(({ metadata: { uid } }) => uid).sort()
    const before = await uids()
    await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/app-port=nonsense`)
    const refused = await waitFor('the status is Refused', async () => {
      const now = await chat()
      return status(now) === 'Refused' && now
    })
    t.match(refused.metadata.annotations?.[STATUS_MESSAGE_ANNOTATION], /app-port/, 'it says which annotation')
    t.match(refused['spec'].template.spec.initContainers, [{ name: SIDECAR_CONTAINER }])
    t.same(await uids(), before)
    await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/app-port-`)
    await waitFor('the status is Injected again', async () => status(await chat()) === 'Injected')
    t.same(await uids(), before)
  })

  await step('without the label the Deployment is as it was', async t => {
    await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}-`)
    const left = await waitFor('the finalizer is gone', async () => {
      const now = await chat()
      return now.metadata.finalizers === undefined && now
    })
    t.same(left['spec'].template, original['spec'].template, 'the pod template, exactly')
    const annotations = ({ metadata }: KubeObject) => {
      const { 'deployment.kubernetes.io/revision': _, ...rest } = metadata.annotations ?? {}
      return rest
    }
    t.same(annotations(left), annotations(original))
    t.same(left.metadata.labels, original.metadata.labels)
    t.match(
      left.metadata.ownerReferences,
      [{ kind: 'Deployment', name: 'chat' }],
      'documented: the owner reference stays',
    )
    await settled()
    await waitFor('nothing else is left', async () => (await leftovers(namespace)).join() === '', ROLLOUT_MS)
    t.same(await leftovers(namespace), [])
  })

  await step('deleting everything leaves nothing behind', async t => {
    await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
    await waitFor('the balancer is there', () => api.get(deployments, namespace, 'chat-balancer'))
    await deleteAndWait(api, ['apps/v1', 'Deployment', namespace, 'chat'])
    await waitFor(
      'all that was made for it is gone',
      async () => (await leftovers(namespace)).join() === '',
      ROLLOUT_MS,
    )
    t.same(await leftovers(namespace), [])
    await uninstall()
    const ours = await kubectl([
      'get',
      'namespaces,customresourcedefinitions,decoratorcontrollers,compositecontrollers,clusterroles,clusterrolebindings',
      '-o',
      'name',
    ])
    t.same(
      ours.split('\n').filter(name => /ws-operator(?!-test-)|websocketbalancer/.test(name)),
      [],
    )
    const namespaces = await api.resource('v1', 'namespaces')
    await t.rejects(api.get(namespaces, undefined, SYSTEM_NAMESPACE), /404/)
  })
})

/** Objects in the namespace that ws-operator made: everything but the app, its pods and what every namespace has. */
async function leftovers(namespace: string): Promise<string[]> {
  const kinds =
    'deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets,endpointslices,websocketbalancers,pods'
  const names = await kubectl(['get', kinds, '-n', namespace, '-o', 'name'])
  return names
    .split('\n')
    .filter(name => name !== '' && name !== 'deployment.apps/chat' && name !== 'serviceaccount/default')
    .filter(name => !/^pod\/chat-[0-9a-z]+-[0-9a-z]{5}$/.test(name))
}
