import { runInNewContext } from 'node:vm'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { DEFAULT_IMAGE, loadHooksConfig } from '../../../hooks/config.ts'
import { planSidecar } from '../../../hooks/decorator/plan-sidecar.ts'
import type { Deployment } from '../../../hooks/requests/schemas.ts'
import { injectPolicy, injectPolicyYaml } from '../../../scripts/docs/admission-policy.ts'
import type { Manifest } from '../../helpers/kustomize.ts'

const [policy, binding] = injectPolicy() as Manifest[]

/** Evaluates the part of CEL that the policy uses, as JavaScript. @throws where a field is missing that `has` did not ask for */
function evaluate(expression: string, scope: object): unknown {
  const script = expression
    .replace(/\b(Object(\.\w+)+|JSONPatch)\{/g, '{')
    .replace(/(\S+) in \[([^\]]*)\]/g, '[$2].includes($1)')
    .replace(/([\w.[\]]+)\.exists\(/g, 'each($1).exists(')
    .replace(/\.exists\((\w+), /g, '.some($1 => ')
    .replace(/\.all\((\w+), /g, '.every($1 => ')
    .replace(/\.matches\(/g, '.match(')
    .replace('.containers + (', '.containers.concat(')
    .replace(/\]\) \+ (\[.*\])$/s, ']).concat($1)')
  const functions = {
    has: (value: unknown) => value !== undefined,
    size: (all: object) => Object.keys(all).length,
    each: (all: object) => (Array.isArray(all) ? all : Object.keys(all)),
  }
  const result: unknown = runInNewContext(`(${script})`, { ...functions, string: String, ...scope })
  // What another context made has other prototypes.
  return result === undefined ? undefined : JSON.parse(JSON.stringify(result))
}

const port = (containerPort: number, name?: string) => ({ containerPort, ...(name !== undefined && { name }) })

/** A Deployment that the policy changes, but for what a test changes in it. */
function deployment(change: (pod: Manifest, deployment: Manifest) => void = () => {}): Manifest {
  const made: Manifest = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'chat', namespace: 'shop', uid: 'u', labels: { 'ws.operator/enable': 'true' } },
    spec: {
      selector: { matchLabels: { app: 'chat' } },
      template: { spec: { containers: [{ name: 'app', image: 'chat', ports: [port(8000, 'http')] }] } },
    },
  }
  change(made['spec'].template.spec, made)
  return made
}

/** The names of the conditions that leave it to the hooks. */
const refusing = (object: Manifest, namespace = 'shop'): string[] =>
  policy.spec.matchConditions
    .filter(({ expression }: Manifest) => !evaluate(expression, { object, request: { namespace } }))
    .map(({ name }: Manifest) => name)

const probed = (probe: object) => (pod: Manifest) => (pod.containers[0].readinessProbe = probe)
const limits = { cpu: '1', memory: '1Mi' }

/** For each condition, Deployments that it alone leaves to the hooks. */
const LEFT: Readonly<Record<string, readonly Parameters<typeof deployment>[0][]>> = {
  'no-annotations': [(_, { metadata }) => (metadata.annotations = { 'ws.operator/route': 'both' })],
  'name-makes-service-names': [
    (_, { metadata }) => (metadata.name = '1-chat'),
    (_, { metadata }) => (metadata.name = 'c'.repeat(46)),
    (_, { metadata }) => delete metadata.name,
  ],
  'not-ours': [(_, { metadata }) => (metadata.labels['app.kubernetes.io/managed-by'] = 'ws-operator')],
  'no-other-controller': [(_, { metadata }) => (metadata.ownerReferences = [{ controller: true }])],
  'no-host-network': [pod => (pod.hostNetwork = true)],
  'some-container-without-limits': [pod => (pod.containers[0].resources = { limits })],
  'selector-of-labels': [
    (_, { spec }) => (spec.selector.matchExpressions = [{ key: 'app', operator: 'Exists' }]),
    (_, { spec }) => (spec.selector = { matchLabels: {} }),
  ],
  'names-and-ports-free': [
    pod => (pod.containers[0].name = 'websocket-proxy'),
    pod => (pod.containers[0].ports[0].containerPort = 3000),
    pod => (pod.containers[0].ports[0].containerPort = 9090),
    pod => (pod.initContainers = [{ name: 'first', ports: [port(1, 'ws-proxy')] }]),
  ],
  'on-linux': [pod => (pod.os = { name: 'windows' }), pod => (pod.nodeSelector = { 'kubernetes.io/os': 'windows' })],
  'no-resources-of-the-pod': [pod => (pod.resources = {})],
  'no-system': [(_, { metadata }) => (metadata.labels['app.kubernetes.io/part-of'] = 'ws-operator')],
  'one-container-with-one-port': [
    pod => pod.containers.push({ name: 'other' }),
    pod => pod.containers[0].ports.push(port(8001, 'ws')),
    pod => (pod.containers[0].ports[0].name = 'admin'),
    pod => (pod.containers[0].ports[0].protocol = 'UDP'),
  ],
  'no-native-sidecar': [pod => (pod.initContainers = [{ name: 'mesh', restartPolicy: 'Always' }])],
  'probes-of-that-port': [
    probed({ httpGet: { path: '/', port: 8001 } }),
    probed({ httpGet: { path: '/', port: 'http', scheme: 'HTTPS' } }),
    probed({ tcpSocket: { port: 8001 } }),
    probed({ grpc: { port: 8000 } }),
    pod => (pod.containers[0].startupProbe = { tcpSocket: { port: 'other' } }),
  ],
}

t.test('each condition leaves to the hooks what it alone is for', async t => {
  t.strictSame(
    policy.spec.matchConditions.map(({ name }: Manifest) => name),
    Object.keys(LEFT),
  )
  for (const [name, changes] of Object.entries(LEFT)) {
    for (const change of changes) t.strictSame(refusing(deployment(change)), [name], `${name}: ${change}`)
  }
  t.strictSame(refusing(deployment(), 'kube-system'), ['no-system'])
})

t.test('no condition leaves out what the hooks would take as it is', async t => {
  const taken: Parameters<typeof deployment>[0][] = [
    () => {},
    (_, { metadata }) => (metadata.annotations = { 'example.test/a': 'b' }),
    (_, { metadata }) => (metadata.name = 'c'.repeat(45)),
    (_, { metadata }) => (metadata.labels['app.kubernetes.io/managed-by'] = 'Helm'),
    (_, { metadata }) => (metadata.ownerReferences = [{ name: 'x' }, { name: 'y', controller: false }]),
    pod => (pod.initContainers = [{ name: 'first' }]),
    pod => (pod.containers[0].resources = { limits: { cpu: '1' } }),
    pod => (pod.nodeSelector = { 'kubernetes.io/os': 'linux' }),
    probed({ httpGet: { path: '/', port: 'http', scheme: 'HTTP' } }),
    probed({ tcpSocket: { port: 8000 } }),
  ]
  for (const change of taken) t.strictSame(refusing(deployment(change)), [], String(change))
})

t.test('what it injects is the sidecar that the hooks would make, as the last init container', async t => {
  const rendering = loadHooksConfig({ WS_OPERATOR_IMAGE: DEFAULT_IMAGE })
  const list = '/spec/template/spec/initContainers'
  const patches = (object: Manifest) => {
    const scope = { object, request: { namespace: 'shop' } }
    const variables = policy.spec.variables.map(({ name, expression }: Manifest) => [name, evaluate(expression, scope)])
    const { expression } = policy.spec.mutations[0].jsonPatch
    return evaluate(expression, { ...scope, variables: Object.fromEntries(variables) })
  }
  for (const initContainers of [undefined, [{ name: 'first' }]]) {
    const object = deployment(pod => {
      if (initContainers) pod.initContainers = initContainers
    })
    const planned = planSidecar(object as Deployment, rendering)
    if (!planned.ok) return t.fail(planned.message)
    t.strictSame(patches(object), [
      ...(initContainers ? [] : [{ op: 'add', path: list, value: [] }]),
      { op: 'add', path: `${list}/-`, value: JSON.parse(JSON.stringify(planned.plan.sidecar)) },
    ])
  }
})

t.test('it is for new labelled Deployments, is bound, and stops nothing when it fails', async t => {
  t.strictSame(policy.spec.matchConstraints, {
    objectSelector: { matchLabels: { 'ws.operator/enable': 'true' } },
    resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], operations: ['CREATE'], resources: ['deployments'] }],
  })
  t.equal(policy.spec.failurePolicy, 'Ignore')
  t.equal(binding.spec.policyName, policy.metadata.name)
})

t.test('its YAML is both objects, to kubectl too, which reads YAML 1.1', async t => {
  const yaml = injectPolicyYaml()
  for (const version of ['1.1', '1.2'] as const) {
    t.strictSame(
      parseAllDocuments(yaml, { version }).map(document => document.toJS()),
      [policy, binding],
      version,
    )
  }
})
