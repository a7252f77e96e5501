import t from 'tap'
import { lastApplied } from '../../../hooks/apply/last-applied.ts'
import type { ObservedObject } from '../../../hooks/requests/schemas.ts'

const OWNER = 'the-owner'
const ownerReferences = { [`k:${JSON.stringify({ uid: OWNER })}`]: {} }

const observed = (fieldsV1: Record<string, unknown> | undefined): ObservedObject =>
  ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: {
      name: 'chat',
      namespace: 'default',
      uid: '1',
      resourceVersion: '7',
      labels: { ours: 'yes', theirs: 'yes' },
      annotations: { theirs: 'yes' },
      ownerReferences: [{ uid: OWNER }],
      ...(fieldsV1 && { managedFields: [{ manager: 'm', operation: 'Apply', fieldsV1 }] }),
    },
    spec: {
      clusterIP: 'None',
      sessionAffinity: 'None',
      selector: { app: 'chat' },
      ports: [
        { name: 'ws', port: 80, protocol: 'TCP', targetPort: 3000 },
        { name: 'theirs', port: 81, protocol: 'TCP' },
      ],
      finalizers: ['ours', 'theirs'],
    },
    status: { loadBalancer: {} },
  }) as unknown as ObservedObject

const one = (object: ObservedObject) => lastApplied({ 'Service.v1': { chat: object } }, OWNER)

t.test('keeps exactly the fields that were applied', async t => {
  const fields = {
    'f:metadata': { 'f:labels': { 'f:ours': {} }, 'f:ownerReferences': ownerReferences },
    'f:spec': {
      'f:clusterIP': {},
      'f:selector': {},
      'f:gone': {},
      'f:ports': { 'k:{"port":80,"protocol":"TCP"}': { '.': {}, 'f:name': {}, 'f:port': {} } },
      'f:finalizers': { 'v:"ours"': {}, 'v:not json': {} },
    },
  }
  t.strictSame(JSON.parse(JSON.stringify(one(observed(fields)))), [
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'chat', namespace: 'default', labels: { ours: 'yes' } },
      spec: {
        clusterIP: 'None',
        selector: { app: 'chat' },
        ports: [{ name: 'ws', port: 80, protocol: 'TCP' }],
        finalizers: ['ours'],
      },
    },
  ])
})

t.test('without a record of what was applied, keeps everything that can be meant', async t => {
  const [kept] = one(observed(undefined))
  t.match(kept, { metadata: { name: 'chat', labels: { theirs: 'yes' } }, spec: { sessionAffinity: 'None' } })
  t.notOk('status' in kept!)
  t.notOk('resourceVersion' in (kept!.metadata as object))
})
