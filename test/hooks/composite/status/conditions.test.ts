import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { conditionsOf, type Finding } from '../../../../hooks/composite/status/conditions.ts'
import type { Balancer, ObservedObject } from '../../../../hooks/requests/schemas.ts'

const SEED = 20_261_125

const metadata = { name: 'chat', namespace: 'default', uid: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const parent = (more: object = {}, status?: object): Balancer => ({
  apiVersion: 'ws.operator/v1alpha1',
  kind: 'WebSocketBalancer',
  metadata: { ...metadata, ...more },
  status,
})
const observedObjects = (...times: string[]): ObservedObject[] =>
  times.map(time => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { ...metadata, managedFields: [{ manager: 'm', time }] },
  }))
const ready = (status: Finding['status']): Finding => ({ type: 'Ready', status, reason: 'R', message: 'm' })
const time = (object: Balancer, objects: ObservedObject[], finding: Finding) =>
  conditionsOf(object, objects, [finding])[0]?.lastTransitionTime

t.test('a flip has the time of the newest change that was observed', async t => {
  t.equal(time(parent(), [], ready('True')), '2026-01-01T00:00:00Z')
  t.equal(
    time(parent(), observedObjects('2026-01-03T00:00:00Z', '2026-01-02T00:00:00Z'), ready('True')),
    '2026-01-03T00:00:00Z',
  )
  const deleted = observedObjects('2026-01-02T00:00:00Z')
  deleted[0]!.metadata.deletionTimestamp = '2026-01-04T00:00:00Z'
  t.equal(time(parent(), deleted, ready('True')), '2026-01-04T00:00:00Z')
})

t.test('what was written of the status itself is no change', async t => {
  const managedFields = [
    { manager: 'kubectl', time: '2026-01-05T00:00:00Z' },
    { manager: 'metacontroller', subresource: 'status', time: '2026-01-06T00:00:00Z' },
  ]
  t.equal(time(parent({ managedFields }), [], ready('True')), '2026-01-05T00:00:00Z')
})

t.test('as long as the status stays, its time does', async t => {
  const before = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-01-02T00:00:00Z' }] }
  const later = observedObjects('2026-01-09T00:00:00Z')
  t.equal(time(parent({}, before), later, ready('True')), '2026-01-02T00:00:00Z')
  t.equal(time(parent({}, before), later, ready('False')), '2026-01-09T00:00:00Z')
})

t.test('a status that is none has no say', async t => {
  for (const status of [{ conditions: 3 }, { conditions: [null, 'x', { type: 'Ready', status: 'True' }] }])
    t.equal(time(parent({}, status), [], ready('True')), '2026-01-01T00:00:00Z')
  const odd = { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: 'soon' }] }
  t.equal(time(parent({}, odd), [], ready('True')), '2026-01-01T00:00:00Z')
  t.equal(time(parent({ creationTimestamp: undefined }), [], ready('True')), undefined)
})

t.test('told once more, nothing changes', async () => {
  const times = fc
    .integer({ min: 0, max: 1_000_000 })
    .map(seconds => new Date(seconds * 1000).toISOString().replace('.000', ''))
  const statuses = fc.constantFrom('True' as const, 'False' as const)
  const property = fc.property(fc.array(times), statuses, statuses, times, (seen, before, now, since) => {
    const status = { conditions: [{ ...ready(before), lastTransitionTime: since }] }
    const first = conditionsOf(parent({}, status), observedObjects(...seen), [ready(now)])
    const second = conditionsOf(parent({}, { conditions: first }), observedObjects(...seen, '2030-01-01T00:00:00Z'), [
      ready(now),
    ])
    assert.deepEqual(second, first)
  })
  fc.assert(property, { seed: SEED, numRuns: 100 })
})
