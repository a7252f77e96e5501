import t from 'tap'
import { loadHooksConfig } from '../../../hooks/config.ts'
import { decide } from '../../../hooks/decorator/decide.ts'
import { syncDeployment } from '../../../hooks/decorator/decorator.ts'
import { REFUSALS } from '../../../hooks/decorator/refusals.ts'
import type { DecoratorRequest, Deployment } from '../../../hooks/requests/schemas.ts'
import { applyAnswer } from '../apply-model.ts'
import { fresh } from '../deployments.ts'
import { config } from '../helper.ts'

/** A version of ws-operator whose sidecar is another one. */
const newer = loadHooksConfig({ WS_OPERATOR_IMAGE: 'ws-operator:newer' })

function changed(request: DecoratorRequest, change: (object: Deployment) => void): DecoratorRequest {
  const next = structuredClone(request)
  change(next.object)
  return next
}

const annotated = (request: DecoratorRequest, name: string, text: string): DecoratorRequest =>
  changed(request, ({ metadata }) => {
    metadata.annotations = { ...metadata.annotations, [`ws.operator/${name}`]: text }
  })

const labelled = (name: string, text: string): DecoratorRequest =>
  changed(fresh(), ({ metadata }) => {
    metadata.labels = { ...metadata.labels, [name]: text }
  })

/** A Deployment whose app listens on these ports. */
const listening = (...ports: readonly { readonly name?: string; readonly containerPort: number }[]) =>
  fresh({}, { containers: [{ name: 'app', ports }] })

/** A Deployment that has the sidecar of {@link config}. */
function injected(annotations: Record<string, string> = {}): DecoratorRequest {
  let now = fresh(annotations)
  for (let round = 0; round < 2; round++) now = applyAnswer(now, syncDeployment(now, config).response)
  return now
}

/** The same, after kubectl rollout undo: another field manager owns the sidecar too. */
const coOwned = changed(injected(), ({ metadata: { managedFields } }) => {
  const { 'f:spec': spec } = managedFields![0]!.fieldsV1 as Record<string, unknown>
  managedFields!.push({ manager: 'kubectl-rollout', operation: 'Update', fieldsV1: { 'f:spec': spec } })
})

/** Each way to decide: what the Deployment is, the request, and what is decided; `newer` answers where it says so. */
const CASES: readonly (readonly [what: string, request: DecoratorRequest, decision: object, by?: typeof config])[] = [
  ['it has no sidecar', fresh(), { kind: 'apply', present: false }],
  ['it has today’s sidecar', injected(), { kind: 'apply', present: true }],
  ['it has an older sidecar', injected(), { kind: 'keep', current: { list: 'initContainers' } }, newer],
  [
    'it has an older sidecar that it wants replaced at once',
    annotated(injected(), 'sidecar-upgrade', 'now'),
    { kind: 'apply', present: true },
    newer,
  ],
  [
    'it has an older sidecar, and its pods roll anyway',
    annotated(injected(), 'receipts', 'true'),
    { kind: 'apply', present: true },
    newer,
  ],
  ['somebody else owns the sidecar too, and nothing moves', coOwned, { kind: 'apply', present: true }],
  [
    'somebody else owns the sidecar too, and it is older',
    coOwned,
    { kind: 'keep', current: { list: 'initContainers' } },
    newer,
  ],
  ['its sidecar is also owned and moves', annotated(coOwned, 'sidecar-mode', 'classic'), refused('field-conflict')],
  ['its port is also owned and changes', annotated(coOwned, 'sidecar-port', '4000'), refused('field-conflict')],
  ['it is a balancer', labelled('app.kubernetes.io/managed-by', 'ws-operator'), refused('managed-by')],
  ['it is a part of ws-operator', labelled('app.kubernetes.io/part-of', 'ws-operator'), refused('system')],
  [
    'it belongs to Kubernetes',
    changed(fresh(), ({ metadata }) => {
      metadata.namespace = 'kube-system'
    }),
    refused('system'),
  ],
  [
    'another controller owns it',
    changed(fresh(), ({ metadata }) => {
      metadata.ownerReferences = [{ kind: 'Rollout', name: 'chat', uid: 'other', controller: true }]
    }),
    refused('controlled'),
  ],
  ['an annotation is bad', annotated(fresh(), 'route', 'nowhere'), refused('annotations')],
  ['an annotation is bad beside a sidecar', annotated(injected(), 'route', 'nowhere'), refused('annotations'), newer],
  ['it uses the network of the node', fresh({}, { hostNetwork: true }), refused('host-network')],
  [
    'a container has the sidecar’s name',
    fresh({}, { containers: [{ name: 'app' }, { name: 'websocket-proxy' }] }),
    refused('container-name'),
  ],
  ['a port has the sidecar’s name', listening({ name: 'ws-proxy', containerPort: 80 }), refused('port-name')],
  [
    'its selector is more than labels',
    changed(fresh(), ({ spec }) => {
      spec.selector = { matchLabels: { app: 'chat' }, matchExpressions: [{}] }
    }),
    refused('selector'),
  ],
  [
    'its name is no name of a Service',
    changed(fresh(), ({ metadata }) => {
      metadata.name = '1.chat'
    }),
    refused('name'),
  ],
  ['its Service could be another’s', annotated(fresh(), 'headless-service', 'payments'), refused('headless-service')],
  ['no port has that name', annotated(fresh(), 'app-port', 'absent'), refused('app-port')],
  [
    'two ports could be the app’s',
    listening({ containerPort: 4001 }, { containerPort: 4002 }),
    refused('ambiguous-port'),
  ],
  ['the port of the sidecar is taken', annotated(fresh(), 'sidecar-port', '3001'), refused('port-taken')],
  ['it runs on Windows', fresh({}, { os: { name: 'windows' } }), refused('windows')],
  [
    'its pods get no token',
    fresh({ 'ws.operator/discovery': 'kubernetes' }, { automountServiceAccountToken: false }),
    refused('no-account-token'),
  ],
  [
    'its pods have too little memory',
    fresh({}, { resources: { limits: { memory: '16Mi' } } }),
    refused('pod-resources'),
  ],
]

function refused(reason: keyof typeof REFUSALS): object {
  return { kind: 'refuse', reason, message: /\.$/ }
}

for (const [what, request, decision, by = config] of CASES) {
  t.test(what, async t => {
    const before = structuredClone(request)
    t.match(decide(request, by), decision)
    t.strictSame(request, before, 'the request is not changed')
    t.strictSame(decide(before, by), decide(request, by), 'and the same again')
  })
}

t.test('each reason to refuse is in the table', async t => {
  const reasons = new Set(CASES.map(([, , decision]) => (decision as { reason?: string }).reason))
  reasons.delete(undefined)
  t.strictSame([...reasons].sort(), Object.keys(REFUSALS).sort())
})
