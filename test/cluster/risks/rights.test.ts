import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { connect, kubectlApply } from '../cluster.ts'
import { end, kubectl } from '../kubectl.ts'
import { ACCOUNT } from '../metacontroller.ts'
import { METACONTROLLER_RIGHTS } from '../operator.ts'
import { waitFor } from '../wait.ts'
import { app } from './place.ts'

const PORT = 16_543

t.test('R19 our rights are enough where Kubernetes enforces OwnerReferencesPermissionEnforcement', async t => {
  const cluster = await connect()
  t.teardown(() => cluster.close())
  const system = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'ws-operator-system' } }
  await kubectlApply(system)
  cluster.undo(() => kubectl(['delete', 'namespace', system.metadata.name, '--timeout=60s']))
  await kubectl(['apply', '-f', METACONTROLLER_RIGHTS])
  cluster.undo(() => kubectl(['delete', '-f', METACONTROLLER_RIGHTS]))

  await t.test('the ClusterRole has what the plugin asks for', async t => {
    const can = async (...what: string[]) =>
      (await kubectl(['auth', 'can-i', ...what, `--as=${ACCOUNT}`, '-A']).catch(() => 'no')).trim()
    t.equal(await can('delete', 'deployments.apps'), 'yes', 'to change an owner reference')
    t.equal(await can('update', 'deployments.apps', '--subresource=finalizers'), 'yes', 'to block an owner’s deletion')
    t.equal(await can('delete', 'pods'), 'no', 'and not what it does not ask for')
  })

  const flags = ownServerFlags()
  const skip = flags ? false : 'the flags of this API server cannot be set; only the ClusterRole is looked at'
  await t.test('a second API server with the plugin takes our apply', { skip }, async t => {
    await enforced(t, flags ?? [], await cluster.namespace())
  })
})

/** The command line of the cluster's API server, where it is a process of this machine whose program we may start too. */
function ownServerFlags(): string[] | undefined {
  const state = dirname(process.env['KUBECONFIG'] ?? '')
  const [pidFile, program] = ['/run/test-cluster/kube-apiserver.pid', join(state, 'bin/kube-apiserver')]
  if (!existsSync(pidFile) || !existsSync(program)) return undefined
  const [, ...args] = readFileSync(`/proc/${readFileSync(pidFile, 'utf8').trim()}/cmdline`, 'utf8')
    .split('\0')
    .filter(Boolean)
  return [program, ...args]
}

async function enforced(t: Test, [program = '', ...flags]: string[], namespace: string): Promise<void> {
  // It shares the other's store, and must not announce itself to the cluster.
  const own = ['--secure-port', String(PORT), '--endpoint-reconciler-type', 'none']
  const plugin = ['--enable-admission-plugins', 'OwnerReferencesPermissionEnforcement']
  const cwd = dirname(process.env['KUBECONFIG'] ?? '')
  const server = spawn(program, [...flags, ...own, ...plugin], { cwd, stdio: 'ignore' })
  try {
    const config = JSON.parse(await kubectl(['config', 'view', '--raw', '--minify', '-o', 'json']))
    const address = new URL(config.clusters[0].cluster.server)
    address.port = String(PORT)
    const there = ['--server', address.href, '-n', namespace]
    await waitFor('the second API server is ready', () =>
      kubectl(['get', '--raw', '/readyz', '--server', address.href]),
    )
    const send = (object: object, ...args: string[]) =>
      kubectl([...args, '-f', '-', ...there], { input: JSON.stringify(object) })
    // Not by kubectl apply, whose fields a server-side apply by kubectl would take over.
    await send(app('chat'), 'create')
    const { metadata } = JSON.parse(await kubectl(['get', 'deployment', 'chat', '-o', 'json', ...there]))
    const owned = (more: object = {}) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: {
        name: 'chat',
        ownerReferences: [{ apiVersion: 'apps/v1', kind: 'Deployment', name: 'chat', uid: metadata.uid, ...more }],
      },
    })
    const apply = (object: object, account: string) =>
      send(
        object,
        'apply',
        '--server-side',
        '--field-manager=ws-operator',
        '--force-conflicts',
        '--validate=false',
        `--as=${account}`,
      )
    const editor = 'system:serviceaccount:ws-operator-system:editor'
    await kubectlApply({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'Role',
      metadata: { name: 'editor', namespace },
      rules: [{ apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'patch', 'update', 'create'] }],
    })
    await kubectl([
      'create',
      'rolebinding',
      'editor',
      '--role=editor',
      '--serviceaccount=ws-operator-system:editor',
      '-n',
      namespace,
    ])
    await t.rejects(apply(owned(), editor), /cannot set an ownerRef on a resource you can't delete/, 'the plugin works')
    await apply(owned(), ACCOUNT)
    t.pass('the reference of a Deployment to itself')
    await apply(owned({ controller: true, blockOwnerDeletion: true }), ACCOUNT)
    t.pass('a reference that blocks, as Metacontroller makes it for other attachments')
  } finally {
    await end(server)
  }
}
