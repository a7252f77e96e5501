import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { SELF_ENV } from '../../../hooks/apply/managed-fields.ts'
import { DEFAULT_IMAGE } from '../../../hooks/config.ts'
import { ENABLE_LABEL, SIDECAR_CONTAINER } from '../../../lib/service/names.ts'
import { build, type Manifest, noKubectl } from '../../helpers/kustomize.ts'

const folder = join(import.meta.dirname, '../../../manifests/components/admission-policy')

t.test('the sidecar that the policy adds has the image of the hooks', { skip: noKubectl }, async t => {
  const policies = build('.', 'admission-policy').filter(({ kind }) => kind === 'MutatingAdmissionPolicy')
  t.equal(policies.length, 3)
  for (const { spec } of policies) t.equal(spec.failurePolicy, 'Ignore', 'what it cannot do, the hooks do')
  const inject = policies.find(({ metadata }) => metadata.name === 'ws-operator-inject.ws.operator')
  const variable = (name: string) => inject.spec.variables.find((one: Manifest) => one.name === name).expression
  t.equal(variable('sidecarImage'), JSON.stringify(DEFAULT_IMAGE))
  // kustomize takes names in paths for patterns.
  t.equal(variable('imagePullPolicy'), '"IfNotPresent"')
})

t.test('each policy has its binding', { skip: noKubectl }, async t => {
  const built = build('.', 'admission-policy', 'admission-guard')
  const names = (kind: RegExp) => built.filter(object => kind.test(object.kind)).map(({ metadata }) => metadata.name)
  const bound = built.filter(({ kind }) => /PolicyBinding$/.test(kind)).map(({ spec }) => spec.policyName)
  t.strictSame(bound.sort(), names(/AdmissionPolicy$/).sort())
})

t.test('removal knows the label and the container by the names that the hooks use', async t => {
  const text = readFileSync(join(folder, 'remove.yaml'), 'utf8')
  const strings = new Set([...text.matchAll(/"([\w./-]+)"/g)].map(([, string]) => string))
  for (const name of [ENABLE_LABEL, SIDECAR_CONTAINER, SELF_ENV]) t.ok(strings.has(name), name)
})
