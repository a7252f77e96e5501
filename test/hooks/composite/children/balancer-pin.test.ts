import t from 'tap'
import { NOT_FOR_THE_PODS } from '../../../../hooks/composite/children/balancer-pin.ts'
import { syncBalancer } from '../../../../hooks/composite/composite.ts'
import { type BalancerSpec, balancerSpec } from '../../../../hooks/composite/spec/balancer-spec.ts'
import { loadHooksConfig } from '../../../../hooks/config.ts'
import type { CompositeRequest, DecoratorRequest } from '../../../../hooks/requests/schemas.ts'
import { applyAnswer } from '../../apply-model.ts'
import { recorded } from '../../helper.ts'

const image = (tag: string) => loadHooksConfig({ WS_OPERATOR_IMAGE: `ws-operator:${tag}` })
const A = image('a')
const B = image('b')

type Child = DecoratorRequest['object']

const balancer = (spec: BalancerSpec): CompositeRequest => {
  const request = recorded<CompositeRequest>('composite-sync-first')
  request.parent.spec = spec
  return request
}

/** The next request; children are applied as attachments are. */
function once(request: CompositeRequest, rendering = A): CompositeRequest {
  const { children } = syncBalancer(request, rendering).response
  const { parent } = request
  const like = { object: { kind: 'none', metadata: structuredClone(parent.metadata) }, attachments: request.children }
  const applied = applyAnswer(like as never, {
    attachments: children.map(child => ({ ...child, apiVersion: child.apiVersion! })),
  })
  return { ...request, children: applied.attachments }
}

/** Twice: what somebody else has made of the pods is written down, and then what became of the repair. */
function settle(request: CompositeRequest, rendering = A): CompositeRequest {
  const now = once(once(request, rendering), rendering)
  t.strictSame(once(now, rendering), now, 'nothing is left to do')
  return now
}

const child = ({ children }: CompositeRequest) => children['Deployment.apps/v1']!['chat-balancer'] as unknown as Child
const tag = (request: CompositeRequest) =>
  (child(request).spec.template.spec.containers[0] as unknown as { image: string }).image
const edit = (request: CompositeRequest, change: (next: CompositeRequest) => void) => {
  const next = structuredClone(request)
  change(next)
  return next
}

t.test('a new version leaves the pods of a balancer as they are, and changes the rest', async t => {
  const before = settle(balancer({ target: 'chat' }))
  const after = settle(before, B)
  t.strictSame(child(after).spec, child(before).spec)
  t.strictSame(once(before, B), after, 'and once is enough')
  const scaled = settle(
    edit(after, ({ parent }) => Object.assign(parent.spec as object, { replicas: 5, service: { port: 443 } })),
    B,
  )
  t.strictSame(child(scaled).spec.template, child(before).spec.template, 'scaling is no rollout')
  t.match(child(scaled).spec, { replicas: 5 })
  t.match(scaled.children['Service.v1']?.['chat-balancer'], { spec: { ports: [{ port: 443 }] } })
})

t.test('it takes what is newer with its sidecars, with a change of its spec, and when it is restarted', async t => {
  const before = settle(balancer({ target: 'chat' }))
  const ways: Record<string, (next: CompositeRequest) => void> = {
    sidecars: ({ parent }) => {
      parent.metadata.annotations = { 'ws.operator/sidecar-revision': 'B-0123456789' }
    },
    spec: ({ parent }) => Object.assign(parent.spec as object, { logLevel: 'debug' }),
    restart: next => {
      const { template } = child(next).spec as unknown as { template: { metadata: { annotations?: object } } }
      template.metadata.annotations = { 'kubectl.kubernetes.io/restartedAt': '2026-11-25T10:00:00Z' }
    },
    repair: next => {
      Object.assign(child(next).spec.template.spec.containers[0]!, { image: 'theirs:1' })
    },
  }
  for (const [way, change] of Object.entries(ways)) {
    t.equal(tag(settle(edit(before, change), A)), 'ws-operator:a', `${way}: nothing is newer`)
    const taken = settle(edit(before, change), B)
    t.equal(tag(taken), 'ws-operator:b', way)
    t.equal(tag(settle(taken, A)), 'ws-operator:b', `${way}: an older version does not take it back`)
  }
})

t.test('one that has no revision keeps its pods', async t => {
  const before = edit(settle(balancer({ target: 'chat' })), next => {
    delete child(next).metadata.annotations
  })
  t.equal(tag(settle(before, B)), 'ws-operator:a')
  t.match(child(settle(before, A)).metadata.annotations, { 'ws.operator/balancer-revision': /^\d/ })
})

t.test('a field of the spec changes the pods or is listed among those that do not', async t => {
  const samples: { [K in keyof Required<BalancerSpec>]: BalancerSpec[K] } = {
    target: 'other',
    backend: { service: 'members' },
    replicas: 7,
    image: 'ws-operator:c',
    routing: { key: 'query:u' },
    rehome: 'close',
    rehomeHello: 'first-text',
    rebalance: { policy: 'off' },
    drainSeconds: 7,
    exposeTopology: true,
    logLevel: 'debug',
    targetUID: 'a-uid',
    autoscaling: { minReplicas: 1, maxReplicas: 3 },
    service: { port: 443 },
    limits: { maxConnections: 7 },
    timeouts: { handshakeMs: 7 },
    keepAlive: { clientPingSeconds: 7 },
    plainHttp: 'refuse',
    workers: 7,
    resources: { requests: { cpu: '7m' } },
    nodeSelector: { disk: 'ssd' },
    tolerations: [{ key: 'dedicated', operator: 'Exists' }],
    affinity: { nodeAffinity: {} },
    priorityClassName: 'edge',
    podLabels: { team: 'chat' },
    imagePullSecrets: [{ name: 'registry' }],
  }
  t.strictSame(Object.keys(samples).sort(), Object.keys(balancerSpec.properties).sort())
  const plain = JSON.stringify(child(once(balancer({ target: 'chat' }))).spec.template)
  for (const [name, value] of Object.entries(samples)) {
    const template = JSON.stringify(child(once(balancer({ target: 'chat', [name]: value }))).spec.template)
    t.equal(template === plain, (NOT_FOR_THE_PODS as readonly string[]).includes(name), name)
  }
})
