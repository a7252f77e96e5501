import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import t, { type Test } from 'tap'
import type { KubeObject, Resource } from './api.ts'
import { type Cluster, connect, deleteAndWait, ensureMetacontrollerCrds, kubectlApply } from './cluster.ts'
import { startStandIn } from './metacontroller-stand-in/stand-in.ts'
import { waitFor } from './wait.ts'

/** What the stand-in sends is compared with what Metacontroller sent: these files. */
const recordings = join(import.meta.dirname, '../hooks/recorded')
const GROUP = 'stand-in.test'
const LABELS = { 'controller-group': GROUP }
const FINALIZER = `metacontroller.io/decoratorcontroller-${GROUP}`

interface Request {
  path: string
  body: {
    controller: KubeObject
    object: KubeObject
    parent: KubeObject
    attachments: Record<string, Record<string, KubeObject>>
    children: Record<string, Record<string, KubeObject>>
    related: Record<string, Record<string, KubeObject>>
    finalizing: boolean
  }
}

function recorded(name: string): Request['body'] {
  return JSON.parse(readFileSync(join(recordings, `${name}.json`), 'utf8'))
}

/** Paths of an object, without what depends on the moment or on who created it. */
function shape(value: unknown, path = ''): string[] {
  if (/\.(managedFields|annotations|labels|updateStrategy|hooks|generation|matchLabels|selector|template)$/.test(path))
    return []
  if (Array.isArray(value)) return value.slice(0, 1).flatMap(item => shape(item, `${path}[]`))
  if (typeof value !== 'object' || value === null) return [`${path}: ${typeof value}`]
  const inside = Object.entries(value).flatMap(([key, item]) => shape(item, `${path}.${key}`))
  return inside.length > 0 ? inside.sort() : [`${path}: {}`]
}

/** A hook server that answers as the hooks did when the requests were recorded. */
async function startHooks(answers: Record<string, (body: Request['body']) => object>) {
  const requests: Request[] = []
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Request['body']
    const path = request.url ?? ''
    requests.push({ path, body })
    const answer = answers[path]?.(body)
    response.writeHead(answer ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(answer ?? {}))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    close: () => new Promise<void>(resolve => void server.close(() => resolve())),
  }
}

async function setUp(t: Test, answers: Record<string, (body: Request['body']) => object>) {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const hooks = await startHooks(answers)
  cluster.undo(hooks.close)
  await ensureMetacontrollerCrds(cluster)
  return { cluster, hooks }
}

async function start(cluster: Cluster) {
  const failures: string[] = []
  const standIn = await startStandIn({
    api: cluster.api,
    fieldManager: 'stand-in-test',
    labelSelector: `controller-group=${GROUP}`,
    report: line => failures.push(line),
  })
  cluster.undo(standIn.stop)
  return { standIn, failures }
}

async function createController(cluster: Cluster, kind: string, spec: object): Promise<void> {
  const apiVersion = 'metacontroller.k8s.io/v1alpha1'
  const resource = await cluster.api.resource(apiVersion, kind)
  await cluster.api.create(resource, { apiVersion, kind, metadata: { name: GROUP, labels: LABELS }, spec })
  cluster.undo(() => deleteAndWait(cluster.api, [apiVersion, kind, undefined, GROUP]))
}

/** A Deployment like the recorded one, without pods. */
function deployment(namespace: string): object {
  const labels = { app: 'chat' }
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'chat', namespace, labels: { ...labels, [`${GROUP}/enable`]: 'true' } },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { containers: [{ name: 'chat', image: 'example.test/chat:1', args: ['app.js'] }] },
      },
    },
  }
}

/** The Deployment itself, partial, owned by itself without a controller. */
function selfAttachment({ apiVersion, kind, metadata: { name, namespace, uid } }: KubeObject, spec?: object): object {
  const metadata = { name, namespace, ownerReferences: [{ apiVersion, kind, name, uid }] }
  return { apiVersion, kind, metadata, ...(spec ? { spec } : {}) }
}

const SIDECAR = { name: 'websocket-proxy', image: 'example.test/proxy:1', restartPolicy: 'Always' }

t.test('decorator: from the label to the sidecar and back, with the requests that Metacontroller sends', async t => {
  const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'chat-ws' } }
  const { cluster, hooks } = await setUp(t, {
    '/sidecar/sync': ({ object }) => ({
      annotations: { [`${GROUP}/status`]: 'Injected' },
      attachments: [
        selfAttachment(object, { template: { spec: { initContainers: [SIDECAR] } } }),
        { ...service, spec: { clusterIP: 'None', selector: { app: 'chat' }, ports: [{ name: 'ws', port: 3000 }] } },
      ],
    }),
    '/sidecar/finalize': ({ object }) => {
      const gone = object.metadata.deletionTimestamp || !object['spec'].template.spec.initContainers
      const annotations = { [`${GROUP}/status`]: null, 'metacontroller.k8s.io/decorator-controller': null }
      return gone
        ? { attachments: [], annotations, finalized: true }
        : { attachments: [selfAttachment(object)], finalized: false }
    },
  })
  const { api } = cluster
  const namespace = await cluster.namespace()
  const { customize: _, ...hookSpecs } = recorded('decorator-sync-first').controller['spec'].hooks
  const spec = { ...recorded('decorator-sync-first').controller['spec'], hooks: hookSpecs }
  const text = JSON.stringify(spec)
    .replaceAll('http://127.0.0.1:8098', hooks.url)
    .replaceAll('ws.operator/enable', `${GROUP}/enable`)
  await createController(cluster, 'DecoratorController', JSON.parse(text))
  const { standIn, failures } = await start(cluster)
  const deployments = await api.resource('apps/v1', 'deployments')
  const services = await api.resource('v1', 'services')
  const chat = () => api.get(deployments, namespace, 'chat')
  const count = () => hooks.requests.length
  /** Waits until the last request, of those from one on, shows all that the answers asked for. @returns the Deployment */
  const settled = (from: number) =>
    waitFor('the sidecar and the Service are there and seen by the hook', async () => {
      const seen = hooks.requests.slice(from).at(-1)?.body
      const { initContainers } = seen?.object['spec'].template.spec ?? {}
      return initContainers && seen?.attachments['Service.v1']?.['chat-ws'] && (await chat())
    })

  await kubectlApply(deployment(namespace))
  const before = (await chat())['spec'].template
  const injected = await settled(0)
  t.match(injected['spec'].template.spec.initContainers, [SIDECAR])
  t.match(injected.metadata, {
    finalizers: [FINALIZER],
    annotations: { [`${GROUP}/status`]: 'Injected', 'metacontroller.k8s.io/decorator-controller': GROUP },
  })
  t.same(
    injected.metadata.ownerReferences,
    [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat', uid: injected.metadata.uid }],
    'the owner that the hook named is left alone, no controller is added',
  )
  t.match(await api.get(services, namespace, 'chat-ws'), {
    metadata: { ownerReferences: [{ kind: 'Deployment', name: 'chat', controller: true, blockOwnerDeletion: true }] },
  })

  t.test('once settled, a sync changes nothing', async t => {
    await standIn.resync()
    const { resourceVersion } = (await chat()).metadata
    const calls = count()
    await standIn.resync()
    t.ok(count() > calls, 'the hook was called again')
    t.equal((await chat()).metadata.resourceVersion, resourceVersion)
  })

  t.test('without the label everything is taken back', async t => {
    const calls = count()
    await api.request('PATCH', path(deployments, namespace), unlabel, 'application/merge-patch+json')
    const left = await waitFor('the finalizer is gone', async () => {
      const now = await chat()
      return now.metadata.finalizers === undefined ? now : undefined
    })
    t.same(left['spec'].template, before)
    t.notOk(`${GROUP}/status` in (left.metadata.annotations ?? {}))
    await waitFor('the Service is gone', async () => (await api.list(services, namespace)).items.length === 0)
    const after = hooks.requests.slice(calls)
    t.ok(after.length >= 2, 'first the sidecar goes, then the finalizer')
    t.ok(after.every(({ path, body }) => path === '/sidecar/finalize' && body.finalizing))
  })

  t.test('each request looks like the recorded one', async t => {
    const bodies = hooks.requests.map(({ body }) => body)
    const syncs = bodies.filter(({ finalizing }) => !finalizing)
    const finalizes = bodies.filter(({ finalizing }) => finalizing)
    const same = [
      ['decorator-sync-first', syncs[0]],
      ['decorator-sync-settled', syncs.at(-1)],
      ['decorator-finalize-label-removed', finalizes[0]],
    ] as const
    for (const [name, ours] of same) compare(t, name, ours)
  })

  t.test('a deletion goes through the finalize hook', async t => {
    await deleteAndWait(api, ['apps/v1', 'Deployment', namespace, 'chat'])
    const before = count()
    await kubectlApply(deployment(namespace))
    // As it was when the request was recorded.
    await settled(before)
    const calls = count()
    await deleteAndWait(api, ['apps/v1', 'Deployment', namespace, 'chat'])
    const last = hooks.requests.slice(calls).at(-1)
    t.match(last, { path: '/sidecar/finalize', body: { finalizing: true, object: { metadata: { name: 'chat' } } } })
    t.ok(last?.body.object.metadata.deletionTimestamp)
    compare(t, 'decorator-finalize-deleting', last?.body)
  })
  t.same(failures, [])
})

t.test('composite: children by generated selector, status, deletion of what is no longer desired', async t => {
  const crd = testCrd()
  let wanted = ['Deployment', 'Service']
  const children: Record<string, object> = {
    Deployment: {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'chat-balancer' },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'b' } },
        template: {
          metadata: { labels: { app: 'b' } },
          spec: { containers: [{ name: 'b', image: 'example.test/b:1' }] },
        },
      },
    },
    Service: {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'chat-balancer' },
      spec: { selector: { app: 'b' }, ports: [{ port: 3000 }] },
    },
  }
  const { cluster, hooks } = await setUp(t, {
    '/balancer/sync': () => ({ status: { replicas: 1, conditions: [] }, children: wanted.map(kind => children[kind]) }),
    '/balancer/finalize': () => ({ children: [], finalized: true }),
    '/balancer/customize': ({ parent: { metadata } }) => ({
      relatedResources: [
        { apiVersion: 'v1', resource: 'configmaps', namespace: metadata.namespace, names: ['shown'] },
        {
          apiVersion: 'discovery.k8s.io/v1',
          resource: 'endpointslices',
          namespace: metadata.namespace,
          labelSelector: { matchLabels: { for: 'chat' } },
        },
      ],
    }),
  })
  const { api } = cluster
  await kubectlApply(crd)
  cluster.undo(() => deleteAndWait(api, [crd.apiVersion, crd.kind, undefined, crd.metadata.name]))
  const apiVersion = `${GROUP}/v1`
  const balancers = await waitFor('the API server serves the test kind', () => api.resource(apiVersion, 'Balancer'))
  const namespace = await cluster.namespace()
  const { spec } = recorded('composite-sync-first').controller
  const text = JSON.stringify(spec)
    .replaceAll('http://127.0.0.1:8098', hooks.url)
    .replace('"ws.operator/v1alpha1","resource":"websocketbalancers"', `"${apiVersion}","resource":"balancers"`)
  await createController(cluster, 'CompositeController', JSON.parse(text))
  const { standIn, failures } = await start(cluster)
  const services = await api.resource('v1', 'services')

  await kubectlApply({ apiVersion, kind: 'Balancer', metadata: { name: 'chat', namespace }, spec: { target: 'chat' } })
  const parent = await waitFor('the status is there and the children are seen', async () => {
    const seen = hooks.requests.at(-1)?.body
    const all =
      seen?.children['Deployment.apps/v1']?.['chat-balancer'] && seen.children['Service.v1']?.['chat-balancer']
    const now = await api.get(balancers, namespace, 'chat')
    return all && seen.parent['status'] && now['status'] && now
  })
  t.same(parent['status'], { replicas: 1, conditions: [], observedGeneration: 1 })
  const { uid } = parent.metadata
  t.match((await api.get(services, namespace, 'chat-balancer')).metadata, {
    labels: { 'controller-uid': uid },
    ownerReferences: [{ uid, controller: true, blockOwnerDeletion: true }],
  })
  compare(t, 'composite-sync-first', hooks.requests.find(({ path }) => path === '/balancer/sync')?.body)
  compare(t, 'composite-sync-with-children', hooks.requests.at(-1)?.body)

  await standIn.resync()
  const settled = (await api.get(balancers, namespace, 'chat')).metadata.resourceVersion
  await standIn.resync()
  t.equal((await api.get(balancers, namespace, 'chat')).metadata.resourceVersion, settled)

  await t.test('what the customize hook asks for is shown, and its changes cause a sync', async t => {
    const syncs = () => hooks.requests.filter(({ path }) => path === '/balancer/sync')
    const shown = () => syncs().at(-1)?.body.related
    t.same(shown(), { 'ConfigMap.v1': {}, 'EndpointSlice.discovery.k8s.io/v1': {} })
    const configMap = (name: string) =>
      kubectlApply({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace } })
    const before = syncs().length
    await configMap('another')
    await configMap('shown')
    await waitFor('it is shown', async () => Object.keys(shown()?.['ConfigMap.v1'] ?? {}).length > 0)
    t.same(Object.keys(shown()?.['ConfigMap.v1'] ?? {}), ['shown'])
    t.equal(syncs().length, before + 1, 'and the other one caused nothing')
    const labels = { for: 'chat' }
    await kubectlApply({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'slice', namespace, labels },
      addressType: 'IPv4',
      endpoints: [],
    })
    await waitFor('the slice is shown', async () => shown()?.['EndpointSlice.discovery.k8s.io/v1']?.['slice'])
    t.equal(
      hooks.requests.filter(({ path }) => path === '/balancer/customize').length,
      1,
      'asked once for a generation',
    )
  })

  wanted = ['Deployment']
  await standIn.resync()
  await waitFor('the Service is deleted', async () => (await api.list(services, namespace)).items.length === 0)
  await deleteAndWait(api, [apiVersion, 'Balancer', namespace, 'chat'])
  const deployments = await api.resource('apps/v1', 'deployments')
  await waitFor('the Deployment is gone', async () => (await api.list(deployments, namespace)).items.length === 0)
  t.same(failures, [])
})

const unlabel = { metadata: { labels: { [`${GROUP}/enable`]: null } } }

function path({ name }: Resource, namespace: string): string {
  return `/apis/apps/v1/namespaces/${namespace}/${name}/chat`
}

/** Fields of a request that the stand-in leaves out or that hang on the moment: pods' progress, the cluster's creator. */
function compare(t: Test, name: string, ours: object | undefined): void {
  const theirs = recorded(name)
  const without = (body: object | undefined) =>
    shape({ ...body, related: {} }).filter(line => !/^\.(object|parent|children)\S*\.status\b/.test(line))
  t.same(without(ours), without(theirs), `as ${name}.json`)
}

function testCrd() {
  const anything = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `balancers.${GROUP}` },
    spec: {
      group: GROUP,
      scope: 'Namespaced',
      names: { plural: 'balancers', singular: 'balancer', kind: 'Balancer' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          subresources: { status: {} },
          schema: { openAPIV3Schema: { type: 'object', properties: { spec: anything, status: anything } } },
        },
      ],
    },
  }
}
