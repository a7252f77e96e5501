import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { build, type Manifest, noKubectl } from '../../helpers/kustomize.ts'

const folder = join(import.meta.dirname, '../../../manifests/components')
const names = readdirSync(folder).sort()
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
      const built = build(base, name)
      for (const object of built) if (!alone.includes(key(object))) added.add(key(object))
      t.strictSame(
        alone.filter(one => !built.map(key).includes(one)),
        [],
        `${base} with ${name} has everything that it has without`,
      )
    }
    t.strictSame(new Set(build(base, ...names).map(key)), new Set([...alone, ...added]), `${base} with all`)
  }
})

t.test('what is added can be told and is where the operator is', { skip: noKubectl }, async t => {
  for (const object of build('.', ...names)) {
    t.equal(object.metadata.labels['app.kubernetes.io/part-of'], 'ws-operator', key(object))
    const scoped = /^(Custom|Mutating|Validating|Namespace|Cluster|CompositeC|DecoratorC)/.test(object.kind)
    t.equal(object.metadata.namespace, scoped ? undefined : 'ws-operator-system', key(object))
  }
})
