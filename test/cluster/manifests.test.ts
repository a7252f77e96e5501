import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { build, overlay, withNeeded } from '../helpers/kustomize.ts'
import { type Cluster, connect, ensureMetacontrollerCrds } from './cluster.ts'
import { kubectl } from './kubectl.ts'
import { MANIFESTS } from './operator.ts'
import { overlayWithPodToken } from './overlay.ts'
import { waitFor } from './wait.ts'

const CRD = join(MANIFESTS, 'base/crd/websocketbalancers.yaml')

t.test('the API server takes every manifest, strictly', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  await ensureMetacontrollerCrds(cluster)
  // A dry run creates nothing, so what the objects refer to has to be there: the namespace, and our own kind.
  await kubectl(['apply', '-f', join(MANIFESTS, 'base/namespace.yaml'), '-f', CRD])
  cluster.undo(() => kubectl(['delete', '-f', join(MANIFESTS, 'base/namespace.yaml'), '-f', CRD, '--timeout=60s']))
  await waitFor('the API server serves WebSocketBalancers', () =>
    cluster.api.resource('ws.operator/v1alpha1', 'WebSocketBalancer'),
  )
  const dryRun = async (...source: string[]) => {
    const out = await kubectl([
      'apply',
      '--server-side',
      '--dry-run=server',
      '--validate=strict',
      '--force-conflicts',
      ...source,
    ])
    return out.trim().split('\n')
  }
  const alone = await dryRun('-k', MANIFESTS)
  t.ok(alone.some(line => line.startsWith('deployment.apps/ws-operator-hooks serverside-applied')))
  t.ok(alone.some(line => line.startsWith('decoratorcontroller.metacontroller.k8s.io/ws-operator')))
  const together = await dryRun('-k', join(MANIFESTS, 'with-metacontroller'))
  t.ok(together.some(line => line.startsWith('deployment.apps/ws-operator-metacontroller serverside-applied')))
  t.ok(together.length > alone.length)
  const tokens = await dryRun('-k', await overlayWithPodToken(cluster))
  t.ok(
    tokens.some(line => line.startsWith('clusterrole.rbac.authorization.k8s.io/ws-operator-metacontroller-pod-token')),
  )
  const namespace = await cluster.namespace()
  for (const file of readdirSync(join(MANIFESTS, 'examples')))
    t.match(await dryRun('-n', namespace, '-f', join(MANIFESTS, 'examples', file)), [/serverside-applied/], file)
  for (const component of readdirSync(join(MANIFESTS, 'components'))) {
    const unknown = await missing(cluster, component)
    const skip = unknown.length > 0 && `the API server has no ${unknown.join(' and no ')}`
    await t.test(`component ${component}`, { skip }, async t => {
      const { folder, remove } = overlay('with-metacontroller', withNeeded(component))
      t.teardown(remove)
      t.ok((await dryRun('-k', folder)).every(line => line.includes('serverside-applied')))
    })
  }
})

/** Kinds of a component that the API server does not know. */
async function missing({ api }: Cluster, component: string): Promise<string[]> {
  const kinds = new Set(build('.', ...withNeeded(component)).map(({ apiVersion, kind }) => `${apiVersion} ${kind}`))
  const unknown: string[] = []
  for (const name of kinds) {
    const [apiVersion = '', kind = ''] = name.split(' ')
    await api.resource(apiVersion, kind).catch(() => unknown.push(name))
  }
  return unknown
}

t.test('everything runs under the restricted Pod Security Standard', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const namespace = await cluster.namespace()
  // For a Deployment the admission plugin only warns; what it enforces is on pods.
  const rendered = await kubectl(['kustomize', join(MANIFESTS, 'with-metacontroller')])
  const templates = parseAllDocuments(rendered)
    .map(document => document.toJS())
    .filter(({ kind }) => kind === 'Deployment')
  t.equal(templates.length, 2)
  for (const { metadata, spec } of templates) {
    const { serviceAccountName: _, ...podSpec } = spec.template.spec
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: metadata.name, namespace }, spec: podSpec }
    const out = await kubectl(['apply', '--dry-run=server', '-f', '-'], { input: JSON.stringify(pod) })
    t.match(out, /created \(server dry run\)/, metadata.name)
  }
})
