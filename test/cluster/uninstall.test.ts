import { join } from 'node:path'
import t, { type Test } from 'tap'
import { DOMAIN, ENABLE_LABEL, SIDECAR_CONTAINER, STATUS_ANNOTATION } from '../../lib/service/names.ts'
import type { KubeObject } from './api.ts'
import { type Cluster, connect } from './cluster.ts'
import { commands, follow, shellIn } from './guide.ts'
import { kubectl } from './kubectl.ts'
import { install, MANIFESTS, podsOf, uninstall } from './operator.ts'
import { rolledOut } from './rollout.ts'
import { becomes, stays, waitFor } from './wait.ts'

const say = (line: string) => console.error(line)
const FINALIZER = `metacontroller.io/decoratorcontroller-ws-operator`
const GUIDE = 'uninstall.md'

/** Annotation that its owner has written. */
const OF_THE_EXAMPLE = `${DOMAIN}/rehome`

/** The example app in a namespace of its own, with the sidecar. */
async function injected(cluster: Cluster, namespace: string) {
  const deployments = await cluster.api.resource('apps/v1', 'deployments')
  const chat = () => cluster.api.get(deployments, namespace, 'chat')
  await kubectl(['apply', '-n', namespace, '-f', join(MANIFESTS, 'examples/chat.yaml')])
  const { spec } = await chat()
  await kubectl(['label', '-n', namespace, 'deployment', 'chat', `${ENABLE_LABEL}=true`])
  await waitFor('Injected', async () => (await chat()).metadata.annotations?.[STATUS_ANNOTATION] === 'Injected')
  await rolledOut(cluster, namespace, 'chat')
  return { chat, template: spec.template as object }
}

function isAsBefore(t: Test, { spec, metadata }: KubeObject, template: object): void {
  t.same(spec.template, template, 'the pod template, exactly')
  t.equal(metadata.finalizers, undefined)
  t.equal(metadata.ownerReferences, undefined)
  const ours = Object.keys({ ...metadata.annotations, ...metadata.labels }).filter(
    key => (key.startsWith(`${DOMAIN}/`) || key.startsWith('metacontroller')) && key !== OF_THE_EXAMPLE,
  )
  t.same(ours, [])
}

/** Names of everything in manifests/with-metacontroller that the cluster has. */
async function leftovers(): Promise<string[]> {
  const names = await kubectl(['get', '-k', join(MANIFESTS, 'with-metacontroller'), '--ignore-not-found', '-o', 'name'])
  return names.split('\n').filter(Boolean)
}

/** Keeps a Service that is deleted from going, as a slow garbage collector does. @returns lets it go */
async function holdBack(cluster: Cluster, namespace: string, service: string): Promise<() => Promise<unknown>> {
  const hold = async (finalizers: string[]) => {
    // Its namespace waits for it: a test that fails must not leave it held.
    if (!(await kubectl(['get', 'service', service, '-n', namespace, '--ignore-not-found']))) return
    const patch = JSON.stringify({ metadata: { finalizers } })
    await kubectl(['patch', 'service', service, '-n', namespace, '--type=merge', '-p', patch])
  }
  cluster.undo(() => hold([]))
  await hold(['test.ws.operator/hold'])
  return () => hold([])
}

t.test('in the order of the guide nothing is left', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  await install(cluster, say)
  const namespace = await cluster.namespace()
  const { chat, template } = await injected(cluster, namespace)
  // One that was written by hand has nobody who takes it away.
  const balancer = {
    apiVersion: `${DOMAIN}/v1alpha1`,
    kind: 'WebSocketBalancer',
    metadata: { name: 'own' },
    spec: { target: 'x' },
  }
  await kubectl(['apply', '-n', namespace, '-f', '-'], { input: JSON.stringify(balancer) })

  t.ok((await leftovers()).length > 0)
  const scripts = commands(GUIDE, '## All of it, in order')
  const last = scripts.pop() ?? ''
  const release = await holdBack(cluster, namespace, 'chat-balancer')
  let done = false
  const remove = async () => {
    for (const script of scripts) await follow(script)
    done = true
  }
  const look = async () => {
    await becomes('all balancers are gone', () => kubectl(['get', 'websocketbalancers', '-A', '-o', 'name']), '')
    t.ok(await stays('the guide waits for what was made for a balancer', async () => done, false))
    await release()
  }
  await Promise.all([remove(), look()])
  isAsBefore(t, await chat(), template)
  const kinds = 'deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets'
  const found = async () => (await kubectl(['get', kinds, '-n', namespace, '-o', 'name'])).trim().split('\n').sort()
  t.same(await found(), ['deployment.apps/chat', 'serviceaccount/default'], 'nothing that was made for it is left')
  await follow(last)
  t.same(await leftovers(), [])
  isAsBefore(t, await chat(), template)
  await rolledOut(cluster, namespace, 'chat')
})

t.test('without hooks and Metacontroller everything hangs, and the guide frees it', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const first = await install(cluster, say)
  const [goes, remains] = [await cluster.namespace(), await cluster.namespace()]
  await injected(cluster, goes)
  const { chat, template } = await injected(cluster, remains)
  const podNames = async () => (await podsOf(cluster, remains, 'app=chat')).map(({ metadata }) => metadata.name).sort()
  const before = await podNames()
  await first.metacontroller.stop()
  await uninstall()

  const { metacontroller } = await install(cluster, say)
  await t.test('installing it again undoes a removal that came too early', async t => {
    const balancers = await cluster.api.resource(`${DOMAIN}/v1alpha1`, 'websocketbalancers')
    await waitFor(
      'the balancer is back and ready',
      async () => {
        const { status } = await cluster.api.get(balancers, remains, 'chat')
        return status?.conditions?.some(
          ({ type, status }: { type: string; status: string }) => type === 'Ready' && status === 'True',
        )
      },
      120_000,
    )
    t.equal((await chat()).metadata.annotations?.[STATUS_ANNOTATION], 'Injected')
    t.same(await podNames(), before, 'no pod of the app was replaced')
  })
  await metacontroller.stop()
  await uninstall()

  t.same((await chat()).metadata.finalizers, [FINALIZER])
  await kubectl(['delete', 'namespace', goes, '--wait=false'])
  const namespaces = await cluster.api.resource('v1', 'namespaces')
  await waitFor('only the Deployment holds the namespace', async () => {
    const { status } = await cluster.api.get(namespaces, undefined, goes)
    const held = status.conditions?.find(({ type }: { type: string }) => type === 'NamespaceFinalizersRemaining')
    return held?.message.includes(`${FINALIZER} in 1 resource instances`)
  })
  const phase = async () => (await cluster.api.get(namespaces, undefined, goes))['status'].phase
  t.ok(await stays('the namespace', phase, 'Terminating'))

  for (const script of commands(GUIDE, '<!-- rescue -->')) await follow(script)
  await kubectl(['wait', '--for=delete', `namespace/${goes}`, '--timeout=90s'], { limitMs: 100_000 })
  const kept = await chat()
  t.equal(kept.metadata.finalizers, undefined)
  t.match(kept['spec'].template.spec.initContainers, [{ name: SIDECAR_CONTAINER }], 'its pods go on')

  for (const script of commands(GUIDE, '<!-- restore -->')) await follow(script, { env: await shellIn(t, remains) })
  isAsBefore(t, await chat(), template)
  await rolledOut(cluster, remains, 'chat')
})
