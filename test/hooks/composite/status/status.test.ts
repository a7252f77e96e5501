import t from 'tap'
import { type Observed, READY_REASONS, statusOf } from '../../../../hooks/composite/status/status.ts'
import type { Balancer } from '../../../../hooks/requests/schemas.ts'

const parent: Balancer = {
  apiVersion: 'ws.operator/v1alpha1',
  kind: 'WebSocketBalancer',
  metadata: { name: 'chat', namespace: 'team', uid: 'u', creationTimestamp: '2026-01-01T00:00:00Z' },
}

const PODS = { wanted: 2, replicas: 2, ready: 2, updated: 2, rolledOut: true, failure: undefined }
const WELL: Observed = { pods: PODS, members: 3, backend: 'chat-ws', address: '10.0.0.1', observedObjects: [] }
const QUOTA = { reason: 'FailedCreate', message: 'exceeded quota.' }

/** What was observed beside or instead of {@link WELL}, and the reason of each condition; `+` if it is True. */
const CASES: readonly (readonly [what: string, observed: Partial<Observed>, reasons: string])[] = [
  ['all is well', {}, '+Available Complete AsSpecified'],
  ['members were not counted', { members: undefined }, '+Available Complete AsSpecified'],
  ['one pod is ready', { pods: { ...PODS, ready: 1, rolledOut: false } }, '+Available +RollingOut AsSpecified'],
  ['no Deployment yet', { pods: undefined }, 'Creating +Creating AsSpecified'],
  ['scaled to zero', { pods: { ...PODS, wanted: 0, ready: 0 } }, 'ScaledToZero Complete AsSpecified'],
  ['no pod is ready', { pods: { ...PODS, ready: 0, rolledOut: false } }, 'PodsNotReady +RollingOut AsSpecified'],
  ['no pod can be made', { pods: { ...PODS, ready: 0, failure: QUOTA } }, 'PodsNotReady FailedCreate +FailedCreate'],
  ['a pod cannot be made', { pods: { ...PODS, ready: 1, failure: QUOTA } }, '+Available FailedCreate +FailedCreate'],
  ['no sidecar', { members: 0 }, 'NoMembers Complete AsSpecified'],
  [
    'no sidecar, because the target has no label',
    { members: 0, targetProblem: { reason: 'NoMembers', message: 'label it' } },
    'NoMembers Complete AsSpecified',
  ],
  [
    'no target',
    { members: 0, targetProblem: { reason: 'NoTarget', message: 'no Deployment' } },
    'NoTarget Complete +NoTarget',
  ],
  ['no address yet', { address: undefined }, 'NoAddress Complete AsSpecified'],
  ['another one changes the objects', { rivals: 'Two of them.' }, '+Available Complete +Contested'],
  ['the spec is refused', { obstacle: { reason: 'Refused', message: 'bad' } }, 'Refused Refused +Refused'],
  ['a name is taken', { obstacle: { reason: 'NameTaken', message: 'taken' } }, 'NameTaken NameTaken +NameTaken'],
  [
    'a refused spec comes before all else',
    { obstacle: { reason: 'Refused', message: 'bad' }, pods: undefined, members: 0, rivals: 'x' },
    'Refused Refused +Refused',
  ],
]

const conditions = (observed: Partial<Observed>) => statusOf(parent, { ...WELL, ...observed }).conditions

t.test('each state has its reason in each condition', async t => {
  for (const [what, observed, reasons] of CASES) {
    const found = conditions(observed)
    t.strictSame(
      found.map(({ type }) => type),
      ['Ready', 'Progressing', 'Degraded'],
    )
    t.equal(found.map(({ status, reason }) => `${status === 'True' ? '+' : ''}${reason}`).join(' '), reasons, what)
    t.ok(
      found.every(({ message }) => message.length > 0),
      what,
    )
  }
})

t.test('each documented reason of Ready is given in some state', async t => {
  const given = new Set(CASES.map(([, observed]) => conditions(observed)[0]!.reason))
  t.strictSame([...given].sort(), Object.keys(READY_REASONS).sort())
})

t.test('a message says what stands in the way', async t => {
  const [noMembers] = conditions({ members: 0 })
  t.match(noMembers?.message, /behind Service chat-ws\./)
  const [target] = conditions({ members: 0, targetProblem: { reason: 'NoMembers', message: 'label it' } })
  t.equal(target?.message, 'label it')
  const [failing] = conditions({ pods: { ...PODS, ready: 0, failure: QUOTA } })
  t.equal(failing?.message, '0 of 2 balancer pods are ready. FailedCreate: exceeded quota.')
  t.equal(conditions({ obstacle: { reason: 'Refused', message: 'spec.x is bad.' } })[0]?.message, 'spec.x is bad.')
})

t.test('counts are told as they are, and what was not counted is left out', async t => {
  const { conditions: _, ...counts } = statusOf(parent, { ...WELL, pods: { ...PODS, ready: 1, replicas: 3 } })
  t.strictSame(counts, { pods: '1/2', replicas: 3, readyReplicas: 1, members: 3, address: '10.0.0.1' })
  const { conditions: __, ...none } = statusOf(parent, { pods: undefined, observedObjects: [] })
  t.strictSame(none, { pods: '0/0', replicas: 0, readyReplicas: 0 })
})

t.test('the same request has the same status, which tells nothing new the second time', async t => {
  for (const [what, observed] of CASES) {
    const first = statusOf(parent, { ...WELL, ...observed })
    t.strictSame(statusOf({ ...parent, status: first }, { ...WELL, ...observed }), first, what)
  }
})
