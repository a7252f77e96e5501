import t, { type Test } from 'tap'
import { connect, kubectlApply } from '../cluster.ts'
import { kubectl } from '../kubectl.ts'
import { ACCOUNT } from '../metacontroller.ts'
import { METACONTROLLER_RIGHTS } from '../operator.ts'
import { ownServerCommand, startSecondServer } from '../second-server.ts'
import { app } from './place.ts'

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

  const command = ownServerCommand()
  const skip = command ? false : 'the flags of this API server cannot be set; only the ClusterRole is looked at'
  await t.test('a second API server with the plugin takes our apply', { skip }, async t => {
    await enforced(t, command ?? [], await cluster.namespace())
  })
})

async function enforced(t: Test, command: string[], namespace: string): Promise<void> {
  const plugin = ['--enable-admission-plugins', 'OwnerReferencesPermissionEnforcement']
  const server = await startSecondServer(command, plugin)
  try {
    const there = ['--server', server.url, '-n', namespace]
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
    await server.close()
  }
}
