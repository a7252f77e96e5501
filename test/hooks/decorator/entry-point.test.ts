import t from 'tap'
import { describeEntry } from '../../../hooks/decorator/entry-point.ts'
import type { ObservedObject, ObservedObjects } from '../../../hooks/requests/schemas.ts'
import { fresh } from '../deployments.ts'

const { object } = fresh()
const { name } = object.metadata
const ENTRY = `Clients connect to Service ${name}-balancer, port 80.`

/** Observed attachments with a balancer of this spec and these conditions. */
const observed = (spec: unknown, conditions: unknown = [], named = name): ObservedObjects => ({
  'WebSocketBalancer.ws.operator/v1alpha1': {
    [named]: {
      apiVersion: 'ws.operator/v1alpha1',
      kind: 'WebSocketBalancer',
      metadata: { name: named, namespace: 'default', uid: 'u' },
      spec,
      status: { conditions },
    } as ObservedObject,
  },
})
const degraded = (reason: string, status = 'True') => [{ type: 'Degraded', status, reason, message: 'It is bad.' }]
const described = (attachments: ObservedObjects) => describeEntry(object, {}, attachments)

t.test('clients connect to the Service of the balancer, on the port that it has', async t => {
  t.equal(described(observed({})), ENTRY)
  t.equal(described(observed({ service: { port: 443 } })), ENTRY.replace('80', '443'))
  for (const odd of [undefined, null, { service: 'x' }, { service: { port: 'http' } }])
    t.equal(described(observed(odd)), ENTRY, JSON.stringify(odd))
})

t.test('a problem of the balancer is told after the entry, a solved one is not', async t => {
  t.equal(
    described(observed({}, degraded('FailedCreate'))),
    `${ENTRY} WebSocketBalancer ${name} is degraded (FailedCreate): It is bad.`,
  )
  t.equal(described(observed({}, degraded('AsSpecified', 'False'))), ENTRY)
  for (const odd of ['x', [null, 3]]) t.equal(described(observed({}, odd)), ENTRY, JSON.stringify(odd))
})

// The Service of that name may belong to another app.
t.test('clients are not sent to a Service that is not ours', async t => {
  const message = described(observed({}, degraded('NameTaken')))
  t.equal(message, `WebSocketBalancer ${name} is degraded (NameTaken): It is bad.`)
})

t.test('a balancer that is missing among those observed is told', async t => {
  const missing = new RegExp(`^WebSocketBalancer ${name} is not made yet\\. .*set ws\\.operator/balancer to none\\.$`)
  t.match(described(observed({}, [], 'other')), missing)
  t.match(described({ 'WebSocketBalancer.ws.operator/v1alpha1': {} }), missing)
  t.equal(described({}), ENTRY, 'nothing was observed')
})

t.test('without a balancer there is no entry', async t => {
  t.equal(describeEntry(object, { balancer: 'none' }, observed({})), 'No balancer is made.')
})
