import { spawnSync } from 'node:child_process'
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { balancerObjects } from '../../hooks/composite/children/balancer-objects.ts'
import { relatedRules } from '../../hooks/composite/status/related.ts'
import { DEFAULT_IMAGE, hooksSchema } from '../../hooks/config.ts'
import { syncDeployment } from '../../hooks/decorator/decorator.ts'
import type { CompositeRequest, DecoratorRequest } from '../../hooks/requests/schemas.ts'
import { PROGRAM_ARGS, probes, restrictedContainer, waitBeforeStop } from '../../hooks/sidecar/container-defaults.ts'
import {
  API_GROUP,
  API_VERSION,
  DEFAULT_HOOKS_PORT,
  ENABLE_LABEL,
  ENV_PREFIX,
  HOOKS_NAME,
  SYSTEM_NAMESPACE,
} from '../../lib/service/names.ts'
import { crd } from '../../scripts/docs/crd.ts'
import { EXAMPLE_IMAGE } from '../../scripts/image.ts'
import { build, buildWith, inOrder, type Manifest, noKubectl } from '../helpers/kustomize.ts'
import { config, recorded, startHooks } from '../hooks/helper.ts'

const folder = join(import.meta.dirname, '../../manifests')
const files = globSync('**/*.yaml', { cwd: folder }).sort()

const load = (file: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map(document => {
    if (document.errors.length > 0) throw document.errors[0]
    return document.toJS()
  })

/** What is installed without components, and the examples. */
const all: Manifest[] = files
  .filter(file => !file.endsWith('kustomization.yaml') && !/^(components|transformers)\//.test(file))
  .flatMap(load)
const find = (kind: string, name: string): Manifest =>
  all.find(object => object.kind === kind && object.metadata.name === name)

const decorator = find('DecoratorController', 'ws-operator')
const composite = find('CompositeController', 'ws-operator')
const metacontroller = find('Deployment', 'ws-operator-metacontroller')
const arguments_: string[] = metacontroller.spec.template.spec.containers[0].args
const flag = (name: string) => arguments_.find(text => text.startsWith(`--${name}=`))?.slice(name.length + 3)

t.test('every file is part of a kustomization, or an example', async t => {
  const used = new Set<string>()
  for (const file of files.filter(name => name.endsWith('kustomization.yaml'))) {
    const { resources = [], patches = [], configMapGenerator = [] } = load(file)[0]
    const sources = configMapGenerator.flatMap(({ files }: Manifest) =>
      files.map((one: string) => one.split('=').at(-1)),
    )
    const patched = patches.flatMap(({ path }: { path?: string }) => path ?? [])
    for (const resource of [...resources, ...sources, ...patched] as string[]) {
      const path = normalize(join(dirname(file), resource))
      t.ok(existsSync(join(folder, path)), `${file}: ${resource}`)
      used.add(path)
    }
  }
  for (const file of files) {
    t.ok(used.has(file) || file.endsWith('kustomization.yaml') || file.startsWith('examples/'), file)
  }
})

t.test('the hooks are called where they are', async t => {
  const { app } = await startHooks(t)
  const service = find('Service', HOOKS_NAME)
  t.match(service, { metadata: { namespace: SYSTEM_NAMESPACE }, spec: { ports: [{ port: DEFAULT_HOOKS_PORT }] } })
  const hooks = [...Object.values(decorator.spec.hooks), ...Object.values(composite.spec.hooks)] as Manifest[]
  t.strictSame(Object.keys(decorator.spec.hooks).sort(), ['finalize', 'sync'])
  t.strictSame(
    Object.keys(composite.spec.hooks).sort(),
    ['customize', 'sync'],
    'the children have an owner, nothing is left to finalize',
  )
  for (const { version, webhook } of hooks) {
    const url = new URL(webhook.url)
    t.equal(url.host, `${HOOKS_NAME}.${SYSTEM_NAMESPACE}.svc:${DEFAULT_HOOKS_PORT}`)
    t.ok(app.hasRoute({ method: 'POST', url: url.pathname }), url.pathname)
    t.equal(version, 'v2', 'Metacontroller refuses fields that it does not know')
  }
})

const kinds = (resources: { apiVersion: string; resource: string }[]): string[] =>
  resources.map(({ apiVersion, resource }) => `${apiVersion}/${resource}`).sort()
const kindOf = ({ apiVersion, kind }: { apiVersion?: string; kind?: string }) => `${apiVersion}/${kind?.toLowerCase()}s`

t.test('the controllers declare what the hooks return, and never Deployments of users', async t => {
  t.match(decorator.spec.resources, [
    { apiVersion: 'apps/v1', resource: 'deployments', labelSelector: { matchLabels: { [ENABLE_LABEL]: 'true' } } },
  ])
  const { attachments } = syncDeployment(recorded<DecoratorRequest>('decorator-sync-first'), config).response
  const declared = kinds(decorator.spec.attachments)
  t.notOk(declared.includes('apps/v1/deployments'))
  t.strictSame(
    declared,
    attachments
      .filter(({ kind }) => kind !== 'Deployment')
      .map(kindOf)
      .sort(),
  )
  const spec = { target: 'chat', autoscaling: { minReplicas: 1, maxReplicas: 2 } }
  const children = balancerObjects({ name: 'chat', namespace: 'default' }, spec, config)
  t.strictSame(kinds(composite.spec.childResources), children.map(kindOf).sort())
  for (const { updateStrategy } of [...decorator.spec.attachments, ...composite.spec.childResources]) {
    t.strictSame(updateStrategy, { method: 'InPlace' })
  }
  t.equal(composite.spec.generateSelector, true)
  t.equal(`${composite.spec.parentResource.apiVersion}`, API_VERSION)
})

t.test('the CRD is the one that the schema makes', async t => {
  t.strictSame(find('CustomResourceDefinition', `websocketbalancers.${API_GROUP}`), JSON.parse(JSON.stringify(crd())))
})

t.test('kubectl, which reads YAML 1.1, reads the same', async t => {
  for (const file of files) {
    const text = readFileSync(join(folder, file), 'utf8')
    const old = parseAllDocuments(text, { version: '1.1' }).map(document => document.toJS())
    t.strictSame(old, load(file), file)
  }
})

t.test('our Metacontroller serves our controllers, with server-side apply', async t => {
  const [label, value] = flag('target-label-selector')!.split('=') as [string, string]
  t.equal(decorator.metadata.labels[label], value)
  t.equal(composite.metadata.labels[label], value)
  t.equal(flag('apply-strategy'), 'server-side-apply')
  t.equal(flag('apply-strategy-ssa-field-manager'), 'ws-operator')
  t.equal(flag('leader-election-namespace'), '$(POD_NAMESPACE)')
  const [{ env }] = metacontroller.spec.template.spec.containers
  t.match(env, [{ name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } }])
})

const binary = process.env['METACONTROLLER_BIN'] ?? ''
const noBinary = binary === '' && 'METACONTROLLER_BIN names no Metacontroller to ask'

t.test('it knows every flag that it is given', { skip: noBinary }, async t => {
  const { stdout, stderr } = spawnSync(binary, ['--help'], { encoding: 'utf8', timeout: 20_000 })
  for (const argument of arguments_) {
    const name = argument.slice(2).split('=')[0]!
    t.match(`${stdout}${stderr}`, new RegExp(`^ +-${name}\\b`, 'm'), name)
  }
})

t.test('it may do what the controllers need, and give balancers what they get', async t => {
  const { rules } = find('ClusterRole', 'ws-operator-metacontroller')
  const allowed = (group: string, resource: string, verb: string): boolean =>
    rules.some((rule: Manifest) =>
      [rule.apiGroups.includes(group), rule.resources.includes(resource), rule.verbs.includes(verb)].every(Boolean),
    )
  const needs = (resources: Manifest[], ...verbs: string[]) => {
    for (const { apiVersion, resource } of resources) {
      const group = apiVersion.includes('/') ? apiVersion.split('/')[0] : ''
      for (const verb of ['list', 'watch', ...verbs]) {
        t.ok(allowed(group, resource, verb), `${verb} ${resource}.${group}`)
      }
    }
  }
  needs([...decorator.spec.resources, composite.spec.parentResource], 'get')
  needs(decorator.spec.resources, 'update', 'patch')
  // An annotation can make that one of them is no longer wanted.
  needs(decorator.spec.attachments, 'create', 'patch', 'delete')
  needs(composite.spec.childResources, 'create', 'patch')
  const role = balancerObjects({ name: 'x', namespace: 'x' }, { target: 'x' }, config).find(
    ({ kind }) => kind === 'Role',
  )
  for (const { apiGroups, resources, verbs } of (role as Manifest).rules) {
    for (const verb of verbs) t.ok(allowed(apiGroups[0], resources[0], verb), `${verb} ${resources[0]}`)
  }
  t.notOk(
    rules.some((rule: Manifest) => [rule.apiGroups, rule.resources, rule.verbs].flat().includes('*')),
    'no wildcard',
  )
  t.notOk(allowed('', 'secrets', 'get'))
})

t.test('every pod passes the restricted Pod Security Standard', async t => {
  const deployments = all.filter(({ kind }) => kind === 'Deployment')
  t.equal(deployments.length, 3)
  for (const { metadata, spec } of deployments) {
    const pod = spec.template.spec
    t.strictSame(spec.template.metadata.labels, { ...spec.template.metadata.labels, ...spec.selector.matchLabels })
    for (const container of pod.containers) {
      t.strictSame(container.securityContext, restrictedContainer(), metadata.name)
      t.ok(container.resources.requests.cpu && container.resources.requests.memory, metadata.name)
    }
  }
  const labels = find('Namespace', SYSTEM_NAMESPACE).metadata.labels
  t.equal(labels['pod-security.kubernetes.io/enforce'], 'restricted')
})

t.test('the hooks run without any right, with settings that exist', async t => {
  const { spec } = find('Deployment', HOOKS_NAME)
  const pod = spec.template.spec
  const [container] = pod.containers
  t.equal(spec.replicas, 2)
  t.strictSame(spec.strategy, { type: 'Recreate' }, 'two versions never answer in turn')
  t.equal(pod.automountServiceAccountToken, false)
  t.equal(pod.enableServiceLinks, false)
  t.strictSame(container.args, PROGRAM_ARGS.hooks)
  t.match(container, JSON.parse(JSON.stringify(probes())))
  t.strictSame(container.lifecycle, waitBeforeStop(3))
  for (const { name } of container.env) t.ok(name.slice(ENV_PREFIX.length) in hooksSchema.properties, name)
  for (const { kind, subjects = [] } of all) {
    t.notOk(
      subjects.some(({ name }: Manifest) => name === HOOKS_NAME),
      `${kind} gives the hooks nothing`,
    )
  }
})

t.test('images have the version of this package', async t => {
  const [{ images }] = load('base/kustomization.yaml')
  t.equal(`${images[0].name}:${images[0].newTag}`, DEFAULT_IMAGE)
  t.equal(find('Deployment', 'chat').spec.template.spec.containers[0].image.split(':')[0], EXAMPLE_IMAGE.split(':')[0])
})

t.test('the example app is taken from a registry as the guides say', { skip: noKubectl }, async t => {
  const root = join(folder, '..')
  for (const page of ['README.md', 'docs/guides/install.md']) {
    const text = readFileSync(join(root, page), 'utf8')
    const [, command = '', image = ''] =
      /^(kubectl set image --local .*chat=(\S+) -o yaml) \| kubectl apply -f -$/m.exec(text) ?? []
    t.match(text, `docker build --target ${EXAMPLE_IMAGE} -t ${image} .`, `${page} says how it is made`)
    const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
      cwd: root,
      encoding: 'utf8',
      timeout: 20_000,
    })
    t.equal(status, 0, `${page}: ${command}`, { stderr })
    const [{ spec }] = parseAllDocuments(stdout).map(document => document.toJS())
    t.equal(spec.template.spec.containers[0].image, image)
  }
})

t.test('no Service is called ws-operator: its variables would be taken for settings', async t => {
  const services = all.filter(({ kind }) => kind === 'Service').map(({ metadata }) => metadata.name)
  t.ok(services.length > 0)
  t.notOk(services.includes('ws-operator'))
})

t.test('kustomize builds both, and everything runs the image that is set', { skip: noKubectl }, async t => {
  for (const target of ['.', 'with-metacontroller']) {
    const built = build(target)
    const hooks = built.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === HOOKS_NAME)
    const [{ image, env }] = hooks.spec.template.spec.containers
    t.equal(image, DEFAULT_IMAGE)
    t.equal(env.find(({ name }: Manifest) => name === 'WS_OPERATOR_IMAGE').value, image)
    t.equal(
      built.some(({ metadata }) => metadata.name === 'ws-operator-metacontroller'),
      target !== '.',
    )
  }
})

t.test(
  'a namespace that is set beside it is that of everything, with the transformer',
  { skip: noKubectl },
  async t => {
    const components = inOrder(readdirSync(join(folder, 'components')).sort())
    const more = { namespace: 'websockets', transformers: ['namespace'] }
    for (const [base, ...added] of [['.'], ['with-metacontroller'], ['with-metacontroller', ...components]] as const) {
      const built = buildWith(more, base, ...added)
      for (const object of built) t.notMatch(JSON.stringify(object), SYSTEM_NAMESPACE, `${object.kind} of ${base}`)
      const urls = JSON.stringify(built).match(/http:[^"]*\/(sync|finalize|customize)"/g) ?? []
      t.equal(urls.length, 4)
      for (const url of urls) t.match(url, 'http://ws-operator-hooks.websockets.svc:8080/')
    }
  },
)

t.test('who may view, edit or administer a namespace may do so with its balancers', async t => {
  const roles = (to: string) =>
    all.filter(({ metadata }) => metadata.labels?.[`rbac.authorization.k8s.io/aggregate-to-${to}`])
  const verbs = (to: string) => roles(to).flatMap(({ rules }) => rules.flatMap(({ verbs }: Manifest) => verbs))
  t.strictSame(verbs('view'), ['get', 'list', 'watch'])
  for (const to of ['edit', 'admin']) t.ok(verbs(to).includes('create'), to)
  for (const { rules } of ['view', 'edit', 'admin'].flatMap(roles))
    t.ok(rules.every(({ apiGroups }: Manifest) => apiGroups.join() === API_GROUP))
})

t.test('an image that is set beside it is that of everything, with the transformer', { skip: noKubectl }, async t => {
  const component = 'admission-policy'
  for (const [image, given] of [
    [
      'registry.example:5000/team/ws-operator:1.2.3',
      { newName: 'registry.example:5000/team/ws-operator', newTag: '1.2.3' },
    ],
    [`ws-operator@sha256:${'a'.repeat(64)}`, { digest: `sha256:${'a'.repeat(64)}` }],
  ] as const) {
    const more = { images: [{ name: 'ws-operator', ...given }], transformers: ['image'] }
    for (const [base, ...components] of [['.'], ['with-metacontroller', component]] as const) {
      const built = buildWith(more, base, ...components)
      const hooks = built.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === HOOKS_NAME)
      const [container] = hooks.spec.template.spec.containers
      t.equal(container.image, image)
      t.equal(container.env.find(({ name }: Manifest) => name === 'WS_OPERATOR_IMAGE').value, image, base)
      const texts = built
        .filter(({ metadata }) => metadata.name === 'ws-operator-inject.ws.operator')
        .flatMap(({ spec }) => spec.variables ?? [])
        .flatMap(({ name, expression }: Manifest) => (name === 'sidecarImage' ? expression : []))
      t.strictSame(texts, components.length > 0 ? [JSON.stringify(image)] : [])
      t.notMatch(JSON.stringify(built), `"${DEFAULT_IMAGE}"`)
      t.notOk(built.some(({ kind }) => kind === 'ReplacementTransformer'))
    }
  }
})

t.test('the customize hook asks for every kind that a child is of', async t => {
  const asked = relatedRules({ parent: recorded<CompositeRequest>('composite-sync-first').parent })
  const names = asked
    .filter(rule => !rule.labelSelector?.matchLabels)
    .map(({ apiVersion, resource }) => `${apiVersion}/${resource}`)
  t.strictSame(names.sort(), kinds(composite.spec.childResources))
})

t.test('kubectl get all shows it', async t => {
  t.match((crd() as Manifest).spec.names, { shortNames: ['wsb'], categories: ['all'] })
})

t.test('every field of the CRD says what it is, and has a bound', async t => {
  const [{ schema }] = (crd() as Manifest).spec.versions
  const walk = (field: Manifest, path: string): void => {
    if (path !== '.metadata') t.ok(field.description || /\[\]$|\.\*$/.test(path), `${path} is described`)
    const { type, enum: words, maxLength, format, pattern, maximum, maxItems, maxProperties } = field
    if (path.startsWith('.spec')) {
      if (type === 'string') t.ok(words || maxLength || format || pattern, `${path} is bounded`)
      if (type === 'integer') t.ok(maximum, `${path} is bounded`)
      if (type === 'array') t.ok(maxItems, `${path} is bounded`)
      if (field.additionalProperties) t.ok(maxProperties, `${path} is bounded`)
    }
    for (const [name, child] of Object.entries(field.properties ?? {})) walk(child, `${path}.${name}`)
    if (field.items) walk(field.items, `${path}[]`)
    if (field.additionalProperties) walk(field.additionalProperties, `${path}.*`)
  }
  walk(schema.openAPIV3Schema, '')
})

t.test('with the component pod-token, and only with it, Secrets are made', { skip: noKubectl }, async t => {
  t.notMatch(JSON.stringify(build('with-metacontroller')), /secrets|MASTER_KEY/)
  const objects = build('with-metacontroller', 'webhook-auth', 'pod-token')
  const decorated = objects.find(({ kind }) => kind === 'DecoratorController')
  t.match(decorated.spec.attachments.at(-1), { apiVersion: 'v1', resource: 'secrets' })
  t.equal(decorated.spec.attachments.length, decorator.spec.attachments.length + 1)
  const { spec } = objects.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === HOOKS_NAME)
  const [container] = spec.template.spec.containers
  for (const name of ['MASTER_KEY_FILE', 'TOKEN_FILE']) {
    const { value } = container.env.find((variable: Manifest) => variable.name === `${ENV_PREFIX}${name}`)
    t.ok(
      container.volumeMounts.some(({ mountPath }: Manifest) => value.startsWith(`${mountPath}/`)),
      name,
    )
  }
  t.strictSame(container.securityContext, restrictedContainer())
  t.ok(objects.some(({ kind, rules }) => kind === 'ClusterRole' && rules[0].resources.join() === 'secrets'))
})
