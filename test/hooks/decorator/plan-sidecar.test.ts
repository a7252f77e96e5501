import t from 'tap'
import { planSidecar } from '../../../hooks/decorator/plan-sidecar.ts'
import { REFUSALS } from '../../../hooks/decorator/refusals.ts'
import type { Deployment } from '../../../hooks/requests/schemas.ts'
import { fresh } from '../deployments.ts'
import { config } from '../helper.ts'
import { plan } from '../plans.ts'

function planned(change: (object: Deployment) => void, annotations: Record<string, string> = {}) {
  const { object } = fresh(annotations)
  change(object)
  return planSidecar(object, config)
}

const pod = (of: object) => (object: Deployment) => Object.assign(object.spec.template.spec, of)
const metadata = (of: object) => (object: Deployment) => Object.assign(object.metadata, of)
const annotated = (name: string, text: string) => metadata({ annotations: { [`ws.operator/${name}`]: text } })
const app = (port: object) => pod({ containers: [{ name: 'app', ports: [port] }] })
const owner = (uid: string, controller = true) =>
  metadata({ ownerReferences: [{ kind: 'App', name: 'x', uid, controller }] })

/** Each refusal but that of a conflict, which needs an injected Deployment, and what its message names. */
const REFUSED: Readonly<Record<string, readonly [change: (object: Deployment) => void, names: string | RegExp]>> = {
  'managed-by': [metadata({ labels: { 'app.kubernetes.io/managed-by': 'ws-operator' } }), /made by ws-operator/],
  system: [metadata({ namespace: 'kube-system' }), /kube-system/],
  controlled: [owner('another'), 'App x controls'],
  annotations: [annotated('route', 'odd'), 'ws.operator/route must be'],
  'host-network': [pod({ hostNetwork: true }), 'hostNetwork: true'],
  'container-name': [pod({ containers: [{ name: 'websocket-proxy' }] }), 'container named websocket-proxy'],
  'port-name': [app({ containerPort: 80, name: 'ws-proxy' }), 'Container app has a port named ws-proxy'],
  selector: [({ spec }) => Object.assign(spec, { selector: { matchExpressions: [{}] } }), 'matchLabels only'],
  name: [metadata({ name: 'x'.repeat(60) }), 'is no valid name of a Service'],
  'app-port': [annotated('app-port', 'absent'), 'absent'],
  'ambiguous-port': [app({ containerPort: 22 }), 'SSH'],
  'port-taken': [annotated('sidecar-port', '3001'), '3001'],
  windows: [pod({ os: { name: 'windows' } }), 'Windows'],
  'no-account-token': [
    object => {
      annotated('discovery', 'kubernetes')(object)
      pod({ automountServiceAccountToken: false })(object)
    },
    'automountServiceAccountToken',
  ],
  'pod-resources': [pod({ resources: { limits: { memory: '1Mi' } } }), 'memory'],
}

t.test('a Deployment that can have no sidecar is refused, and the message names why', async t => {
  for (const [reason, [change, names]] of Object.entries(REFUSED)) {
    const result = planned(change)
    t.match(result, { ok: false, reason }, reason)
    if (!result.ok) t.match(result.message, names, reason)
  }
})

t.test('each reason is tested here, or belongs to another file', async t => {
  const elsewhere = ['headless-service', 'field-conflict']
  t.strictSame([...Object.keys(REFUSED), ...elsewhere].sort(), Object.keys(REFUSALS).sort())
})

t.test('an owner that does not control the Deployment, or is itself, is no reason', async t => {
  t.equal(planned(owner('another', false)).ok, true)
  t.equal(planned(object => owner(object.metadata.uid)(object)).ok, true)
})

t.test('without a balancer, the name of a Deployment may be as long as a label', async t => {
  const long = (length: number) =>
    planned(
      metadata({
        name: 'x'.repeat(length),
        annotations: { 'ws.operator/balancer': 'none', 'ws.operator/headless-service': 'ws-proxy-headless' },
      }),
    )
  t.equal(long(63).ok, true)
  t.match(long(64), { ok: false, reason: 'name', message: /longer than 63 characters/ })
})

t.test('many problems of annotations are counted, so that the message stays readable', async t => {
  const annotations = Object.fromEntries(Array.from({ length: 35 }, (_, i) => [`ws.operator/bad-${i}`, '']))
  const result = planned(() => {}, annotations)
  t.equal(result.ok, false)
  if (!result.ok) {
    t.equal(result.message.split('; ').filter(part => part.startsWith('ws.operator/')).length, 30)
    t.match(result.message, /; and 5 more\.$/)
  }
})

t.test('the sidecar goes where its mode says', async t => {
  t.match(plan(), { list: 'initContainers', sidecar: { name: 'websocket-proxy', restartPolicy: 'Always' } })
  t.match(plan({ 'ws.operator/sidecar-mode': 'classic' }), {
    list: 'containers',
    sidecar: { restartPolicy: undefined },
  })
})

t.test('a plan says from which settings and ports it was made, and nothing changes the Deployment', async t => {
  const { object } = fresh({ 'ws.operator/app-port': '8080' })
  const before = structuredClone(object)
  t.match(planSidecar(object, config), {
    plan: { settings: { 'app-port': 8080 }, ports: { app: 8080, sidecar: 3000, admin: 9090 } },
  })
  t.strictSame(object, before)
})
