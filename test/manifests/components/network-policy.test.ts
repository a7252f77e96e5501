import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import { balancerObjects } from '../../../hooks/composite/children/balancer-objects.ts'
import { DEFAULT_PORT } from '../../../lib/service/names.ts'
import { build, type Manifest, noKubectl } from '../../helpers/kustomize.ts'
import { config } from '../../hooks/helper.ts'

const examples = join(import.meta.dirname, '../../../manifests/examples')
const example = (name: string): Manifest[] =>
  parseAllDocuments(readFileSync(join(examples, name), 'utf8')).map(document => document.toJS())

interface Pod {
  readonly labels: Record<string, string>
  readonly ports: Manifest[]
}

const podOf = ({ spec: { template } }: Manifest): Pod => ({
  labels: template.metadata.labels,
  ports: template.spec.containers.flatMap(({ ports }: Manifest) => ports),
})
const selects = ({ matchLabels }: Manifest, { labels }: Pod): boolean =>
  Object.entries(matchLabels).every(([name, value]) => labels[name] === value)

/** Names or numbers of the ports of `to` that `from` may reach by a policy's rules. */
const open = ({ spec }: Manifest, from: Pod | 'monitoring' | 'anybody'): Manifest[] =>
  spec.ingress
    .filter(({ from: peers }: Manifest) =>
      peers === undefined
        ? true
        : peers.some(({ podSelector, namespaceSelector }: Manifest) =>
            from === 'monitoring'
              ? namespaceSelector?.matchLabels['ws.operator/monitoring'] === 'true'
              : from !== 'anybody' && podSelector !== undefined && selects(podSelector, from),
          ),
    )
    .flatMap(({ ports }: Manifest) => ports.map(({ port }: Manifest) => port))

t.test('in the operator’s namespace each pod takes who it needs', { skip: noKubectl }, async t => {
  const built = build('with-metacontroller', 'network-policy')
  const find = (kind: string, name: string): Manifest =>
    built.find(object => object.kind === kind && object.metadata.name === name)
  const hooks = podOf(find('Deployment', 'ws-operator-hooks'))
  const metacontroller = podOf(find('Deployment', 'ws-operator-metacontroller'))
  const [forHooks, forMetacontroller] = [hooks, metacontroller].map(pod =>
    built.filter(({ kind, spec }) => kind === 'NetworkPolicy' && selects(spec.podSelector, pod)),
  ) as [Manifest[], Manifest[]]
  t.equal(forHooks.length, 1)
  t.equal(forMetacontroller.length, 1)
  t.strictSame(open(forHooks[0], metacontroller), ['hooks'])
  t.strictSame(open(forHooks[0], 'monitoring'), ['admin'])
  t.strictSame(open(forHooks[0], 'anybody'), [])
  t.strictSame(forHooks[0].spec.egress, [], 'the hooks call nobody')
  t.strictSame(open(forMetacontroller[0], 'monitoring'), ['metrics'])
  t.strictSame(open(forMetacontroller[0], 'anybody'), [])
  const [toHooks] = forMetacontroller[0].spec.egress
  t.ok(selects(toHooks.to[0].podSelector, hooks))
  for (const [pod, names] of [
    [hooks, ['hooks', 'admin']],
    [metacontroller, ['metrics']],
  ] as const) {
    for (const name of names)
      t.ok(
        pod.ports.some(port => port.name === name),
        `the pod has a port ${name}`,
      )
  }
})

t.test(
  'by itself our Metacontroller alone calls the hooks, and everybody reads their metrics',
  { skip: noKubectl },
  async t => {
    const built = build('with-metacontroller')
    const policies = built.filter(({ kind }) => kind === 'NetworkPolicy')
    t.equal(policies.length, 1)
    const [hooks, metacontroller] = ['ws-operator-hooks', 'ws-operator-metacontroller'].map(name =>
      podOf(built.find(({ kind, metadata }) => kind === 'Deployment' && metadata.name === name)),
    ) as [Pod, Pod]
    t.ok(selects(policies[0].spec.podSelector, hooks))
    t.strictSame(open(policies[0], metacontroller), ['hooks', 'admin'])
    t.strictSame(open(policies[0], 'anybody'), ['admin'])
    t.strictSame(
      build('.').filter(({ kind }) => kind === 'NetworkPolicy'),
      [],
      'where another Metacontroller is, nobody knows its labels',
    )
  },
)

t.test('the example lets balancers and sidecars at the sidecars, and clients at the balancers', async t => {
  const [apps, balancers] = example('network-policy.yaml') as [Manifest, Manifest]
  const [chat] = example('chat.yaml')
  const app = podOf(chat)
  const balancer = podOf(
    balancerObjects({ name: 'chat', namespace: 'x' }, { target: 'chat' }, config).find(
      ({ kind }) => kind === 'Deployment',
    ),
  )
  t.ok(selects(apps.spec.podSelector, app))
  t.notOk(selects(apps.spec.podSelector, balancer))
  t.strictSame(open(apps, balancer), [DEFAULT_PORT])
  t.strictSame(open(apps, app), [DEFAULT_PORT])
  t.strictSame(open(apps, 'anybody'), [])
  t.ok(selects(balancers.spec.podSelector, balancer))
  t.strictSame(open(balancers, 'anybody'), ['ws'])
  t.strictSame(open(balancers, 'monitoring').sort(), ['admin', 'ws'])
  for (const name of ['ws', 'admin']) t.ok(balancer.ports.some(port => port.name === name))
})
