import t from 'tap'
import { hooksSchema } from '../../../hooks/config.ts'
import { build, type Manifest, noKubectl } from '../../helpers/kustomize.ts'

const SECRET = 'ws-operator-hooks-token'

t.test('hooks and Metacontroller have the same token, from one Secret', { skip: noKubectl }, async t => {
  const built = build('with-metacontroller', 'webhook-auth')
  const find = (kind: string, name: string): Manifest =>
    built.find(object => object.kind === kind && object.metadata.name === name)
  const authorization = {
    type: 'Bearer',
    secretRef: { namespace: 'ws-operator-system', name: SECRET, key: 'token' },
  }
  for (const kind of ['DecoratorController', 'CompositeController']) {
    const hooks = Object.entries(find(kind, 'ws-operator').spec.hooks) as [string, Manifest][]
    for (const [name, { webhook }] of hooks) t.strictSame(webhook.authorization, authorization, `${kind}, ${name}`)
  }
  const { spec } = find('Deployment', 'ws-operator-hooks').spec.template
  const [{ env, volumeMounts }] = spec.containers
  const file = env.find(({ name }: Manifest) => name === 'WS_OPERATOR_TOKEN_FILE').value
  t.ok('TOKEN_FILE' in hooksSchema.properties)
  t.equal(file, `${volumeMounts[0].mountPath}/${authorization.secretRef.key}`)
  t.match(spec.volumes, [{ name: volumeMounts[0].name, secret: { secretName: SECRET, defaultMode: 0o440 } }])
  t.equal(spec.automountServiceAccountToken, false, 'still no right to ask the API server')
  t.strictSame(find('ClusterRole', SECRET).rules, [
    { apiGroups: [''], resources: ['secrets'], verbs: ['list', 'watch'] },
  ])
  t.strictSame(find('ClusterRoleBinding', SECRET).subjects, [
    { kind: 'ServiceAccount', name: 'ws-operator-metacontroller', namespace: 'ws-operator-system' },
  ])
})
