import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { DOMAIN, ENABLE_LABEL, STATUS_ANNOTATION } from '../../lib/service/names.ts'
import type { Manifest } from '../helpers/kustomize.ts'
import { AUDIT_POLICY, auditedCalls } from './audit-log.ts'
import { type Cluster, connect, deleteAndWait, kubectlApply } from './cluster.ts'
import { kubectl, startProxy } from './kubectl.ts'
import { ACCOUNT } from './metacontroller.ts'
import { noMetacontroller } from './metacontroller-image.ts'
import { install, MANIFESTS } from './operator.ts'
import { type Call, parse, startRecorder } from './recorder.ts'
import { rolledOut } from './rollout.ts'
import { ownServerCommand, startSecondServer } from './second-server.ts'
import { waitFor } from './wait.ts'

const say = (line: string) => console.error(line)

const NO_AUDIT = 'the flags of this API server cannot be set; what was asked for is what a recorder before it saw'

/** Rights that no request shows, and what they are for. */
const JUSTIFIED: [why: string, right: RegExp][] = [
  ['newer API servers are asked to watch with the list at its beginning, older ones to list', /^list /],
  ['server-side apply is a PATCH, which needs the right to create as well where it creates', /^create /],
  ['an event that comes again is patched', /^patch events$/],
  [
    'a balancer gets this right, and nobody can give away what he does not have',
    / endpointslices\.discovery\.k8s\.io$/,
  ],
  ['OwnerReferencesPermissionEnforcement: to change the owners of an object', /^delete deployments\.apps$/],
  ['OwnerReferencesPermissionEnforcement: to make an owner wait for what it owns', /^update .+\/finalizers$/],
]

/** Every right of the manifest, as `verb resource`. */
const granted: string[] = parseAllDocuments(readFileSync(join(MANIFESTS, 'with-metacontroller/rbac.yaml'), 'utf8'))
  .map(document => document.toJS() as Manifest)
  .filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role')
  .flatMap(({ rules }) => rules)
  .flatMap(({ apiGroups, resources, verbs }: Manifest) =>
    apiGroups.flatMap((group: string) =>
      resources.flatMap((resource: string) => {
        const [plural, subresource] = resource.split('/')
        const name = `${plural}${group && `.${group}`}${subresource ? `/${subresource}` : ''}`
        return verbs.map((verb: string) => `${verb} ${name}`)
      }),
    ),
  )

t.test('requests are told apart as RBAC does', async t => {
  const cases: [string, string, string | undefined][] = [
    ['GET', '/apis/apps/v1/deployments?watch=true&resourceVersion=1', 'watch deployments.apps'],
    ['GET', '/apis/apps/v1/namespaces/a/deployments?limit=5', 'list deployments.apps'],
    ['GET', '/api/v1/namespaces/a/services/b', 'get services'],
    ['PUT', '/apis/apps/v1/namespaces/a/deployments/b/status', 'update deployments.apps/status'],
    ['PATCH', '/api/v1/namespaces/a/services/b', 'patch services'],
    ['GET', '/api/v1/namespaces', 'list namespaces'],
    ['GET', '/api/v1/namespaces/a', 'get namespaces'],
    ['POST', '/api/v1/namespaces/a/events', 'create events'],
    ['GET', '/apis/apps/v1', undefined],
    ['GET', '/api', undefined],
    ['GET', '/healthz', undefined],
  ]
  for (const [method, url, expected] of cases) {
    const asked = parse(method, url)
    t.equal(asked && `${asked.verb} ${asked.resource}`, expected, `${method} ${url}`)
  }
})

/** An API server that writes an audit log, where the cluster lets us start one. */
interface Audited {
  readonly url: string
  calls(): Promise<Call[]>
}

async function startAudited(cluster: Cluster): Promise<Audited | undefined> {
  const command = ownServerCommand()
  if (!command) return undefined
  const folder = await mkdtemp(join(tmpdir(), 'audit-'))
  cluster.undo(() => rm(folder, { recursive: true, force: true }))
  const [policy, log] = [join(folder, 'policy.json'), join(folder, 'log')]
  await writeFile(policy, JSON.stringify(AUDIT_POLICY))
  const server = await startSecondServer(command, ['--audit-policy-file', policy, '--audit-log-path', log])
  cluster.undo(server.close)
  return { url: server.url, calls: () => auditedCalls(log, ACCOUNT) }
}

const rightsIn = (calls: readonly Call[]) => new Set(calls.map(({ verb, resource }) => `${verb} ${resource}`))

t.test('Metacontroller asks for what it may, and may what it asks for', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const audited = await startAudited(cluster)
  const proxy = await startProxy(audited?.url)
  cluster.undo(proxy.close)
  const recorder = await startRecorder(proxy.address)
  cluster.undo(recorder.close)
  const { metacontroller } = await install(cluster, say, { recorder: recorder.address })
  const namespace = await cluster.namespace()
  t.teardown(async () => {
    if (!t.passing()) say(await metacontroller.log().catch(() => 'its log is gone'))
  })
  const { api } = cluster
  const deployments = await api.resource('apps/v1', 'deployments')
  const balancers = await api.resource(`${DOMAIN}/v1alpha1`, 'websocketbalancers')
  const services = await api.resource('v1', 'services')
  const inNamespace = (...args: string[]) => kubectl([...args, '-n', namespace])
  const exists = (promise: Promise<unknown>) => promise.then(Boolean, () => false)

  // A day in the life of a Deployment, every kind of change once.
  await inNamespace('apply', '-f', join(MANIFESTS, 'examples/chat.yaml'))
  await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
  const chat = () => api.get(deployments, namespace, 'chat')
  await waitFor('Injected', async () => (await chat()).metadata.annotations?.[STATUS_ANNOTATION] === 'Injected')
  await rolledOut(cluster, namespace, 'chat')
  await waitFor('the balancer is ready', async () => {
    const { status } = await api.get(balancers, namespace, 'chat')
    return status?.conditions?.some(({ type, status }: Manifest) => type === 'Ready' && status === 'True')
  })
  await inNamespace('scale', 'deployment', 'chat', '--replicas=2')
  await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/balancer-replicas=1`)
  await waitFor('the balancer has one replica', async () => {
    return (await api.get(deployments, namespace, 'chat-balancer'))['spec'].replicas === 1
  })
  await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/headless-service=other-ws-proxy-headless`)
  await waitFor('the Service has another name', async () => {
    const names = (await api.list(services, namespace)).items.map(({ metadata }) => metadata.name)
    return names.includes('other-ws-proxy-headless') && !names.includes('chat-ws-proxy-headless')
  })
  await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/balancer=none`)
  await waitFor('the balancer is gone', async () => !(await exists(api.get(balancers, namespace, 'chat'))))
  const own = { apiVersion: `${DOMAIN}/v1alpha1`, kind: 'WebSocketBalancer', metadata: { name: 'own', namespace } }
  const autoscaling = { minReplicas: 1, maxReplicas: 2 }
  await kubectlApply({ ...own, spec: { target: 'chat', autoscaling } })
  const autoscaler = async () => {
    const resource = await api.resource('autoscaling/v2', 'horizontalpodautoscalers')
    return (await api.list(resource, namespace)).items.length
  }
  await waitFor('the autoscaler is there', async () => (await autoscaler()) === 1)
  await kubectlApply({ ...own, spec: { target: 'chat', replicas: 1 } })
  await waitFor('the autoscaler is gone', async () => (await autoscaler()) === 0)
  await inNamespace('annotate', 'deployment', 'chat', `${DOMAIN}/sidecar-image=-`)
  await waitFor('Refused', async () => (await chat()).metadata.annotations?.[STATUS_ANNOTATION] === 'Refused')
  await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}-`)
  await waitFor('the finalizer is gone', async () => (await chat()).metadata.finalizers === undefined)
  await inNamespace('label', 'deployment', 'chat', `${ENABLE_LABEL}=true`)
  await waitFor('the finalizer is back', async () => (await chat()).metadata.finalizers)
  await deleteAndWait(api, ['apps/v1', 'Deployment', namespace, 'chat'], 120_000)

  const forbidden = recorder.calls.filter(({ status }) => status === 403).map(({ path }) => path)
  t.same([...new Set(forbidden)], [], 'nothing that it asked for was forbidden')
  const used = rightsIn(recorder.calls)
  t.ok(used.has('patch deployments.apps'), 'it was recorded')
  await t.test('the audit log says the same', { skip: audited ? false : NO_AUDIT }, async t => {
    // Watches are in it when they end.
    await metacontroller.stop()
    const all = async () => rightsIn((await audited?.calls()) ?? [])
    await waitFor('all is in it', async () => {
      const audit = await all()
      return [...used].every(right => audit.has(right))
    })
    t.same([...(await all())].sort(), [...used].sort())
  })
  await t.test('every right is used, or it is said above what it is for', { skip: noMetacontroller }, async t => {
    const unused = granted.filter(right => !used.has(right)).sort()
    t.same(
      unused.filter(right => !JUSTIFIED.some(([, pattern]) => pattern.test(right))),
      [],
    )
    for (const [why, pattern] of JUSTIFIED)
      t.ok(
        granted.some(right => pattern.test(right)),
        why,
      )
  })
})
