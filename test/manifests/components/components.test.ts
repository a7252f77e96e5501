import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { build, inOrder, type Manifest, noKubectl, withNeeded } from '../../helpers/kustomize.ts'

const folder = join(import.meta.dirname, '../../../manifests/components')
const names = inOrder(readdirSync(folder).sort())
/** The component network-policy has a narrower one instead. */
const REPLACED = ['networking.k8s.io/v1 NetworkPolicy ws-operator-hooks-callers']
const BASES = ['.', 'with-metacontroller']

const key = ({ apiVersion, kind, metadata }: Manifest) => `${apiVersion} ${kind} ${metadata.name}`

t.test('each component says what it does and what it needs', async t => {
  for (const name of names) {
    const text = readFileSync(join(folder, name, 'kustomization.yaml'), 'utf8')
    t.match(text, /^(#.*\n){3,}apiVersion: kustomize\.config\.k8s\.io\/v1alpha1\nkind: Component\n/, name)
  }
})

t.test('each can be added by itself, and all together', { skip: noKubectl }, async t => {
  for (const base of BASES) {
    const alone = build(base).map(key)
    const added = new Set<string>()
    for (const name of names) {
      const built = build(base, ...withNeeded(name))
      for (const object of built) if (!alone.includes(key(object))) added.add(key(object))
      t.strictSame(
        alone.filter(one => !built.map(key).includes(one)),
        name === 'network-policy' ? REPLACED.filter(one => alone.includes(one)) : [],
        `${base} with ${name} has everything that it has without`,
      )
    }
    t.strictSame(
      new Set(build(base, ...names).map(key)),
      new Set([...alone, ...added].filter(one => !REPLACED.includes(one))),
      `${base} with all`,
    )
  }
})

t.test('what is added can be told and is where the operator is', { skip: noKubectl }, async t => {
  for (const object of build('.', ...names)) {
    t.equal(object.metadata.labels['app.kubernetes.io/part-of'], 'ws-operator', key(object))
    const scoped = /^(Custom|Mutating|Validating|Namespace|Cluster|CompositeC|DecoratorC)/.test(object.kind)
    t.equal(object.metadata.namespace, scoped ? undefined : 'ws-operator-system', key(object))
  }
})

t.test('pod-token is not built without webhook-auth before it', { skip: noKubectl }, async t => {
  const says = { message: /nothing selected by ClusterRoleBinding\S*ws-operator-hooks-token/ }
  for (const base of BASES) {
    t.throws(() => build(base, 'pod-token'), says)
    t.throws(() => build(base, 'pod-token', 'webhook-auth'), says, 'in this order')
  }
  const built = build('.', 'webhook-auth', 'pod-token')
  const binding = (name: string) =>
    built.find(({ kind, metadata }) => kind === 'ClusterRoleBinding' && metadata.name === name)
  t.strictSame(
    binding('ws-operator-metacontroller-pod-token').subjects,
    binding('ws-operator-hooks-token').subjects,
    'one Metacontroller gets both rights',
  )
})
