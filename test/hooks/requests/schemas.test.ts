import t from 'tap'
import type { TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { compositeRequest, customizeRequest, decoratorRequest } from '../../../hooks/requests/schemas.ts'
import { type Json, recorded } from '../helper.ts'

const SCHEMAS: Readonly<Record<string, TSchema>> = {
  'composite-customize': customizeRequest,
  'composite-finalize': compositeRequest,
  'composite-sync-first': compositeRequest,
  'composite-sync-with-children': compositeRequest,
  'decorator-finalize-deleting': decoratorRequest,
  'decorator-finalize-label-removed': decoratorRequest,
  'decorator-finalize-sidecar-gone': decoratorRequest,
  'decorator-sync-after-injection': decoratorRequest,
  'decorator-sync-first': decoratorRequest,
  'decorator-sync-settled': decoratorRequest,
}

type Map = { [key: string]: Json }

/** A recorded request with another value at a path; `undefined` removes what is there. */
function changed(name: string, path: string, value: unknown): Json {
  const request = recorded(name)
  const keys = path.split('.')
  const last = keys.pop()!
  const at = keys.reduce((map, key) => map[key] as Map, request as Map)
  if (value === undefined) delete at[last]
  else at[last] = value as Json
  return request
}

t.test('what Metacontroller sent is taken', async t => {
  for (const [name, schema] of Object.entries(SCHEMAS)) t.ok(Check(schema, recorded(name)), name)
})

const LABELS = 'object.metadata.labels'
const POD = 'object.spec.template.spec'

const CASES: readonly (readonly [taken: boolean, request: string, path: string, value: unknown])[] = [
  // Kubernetes adds fields with each version.
  [true, 'decorator-sync-first', 'object.metadata.newField', { any: [1] }],
  [true, 'decorator-sync-first', `${POD}.containers.0.newField`, 'x'],
  [true, 'composite-sync-first', 'controller', 3],
  // Their contents are reported in a status, or are of no interest.
  [true, 'composite-sync-first', 'parent.spec', 'no map'],
  [true, 'composite-sync-first', 'parent.spec', undefined],
  [true, 'composite-sync-first', 'parent.status', []],
  [true, 'composite-sync-first', 'related', undefined],
  [true, 'decorator-sync-first', 'object.status', 'odd'],
  [true, 'decorator-sync-first', LABELS, undefined],
  [false, 'decorator-sync-first', 'object', undefined],
  [false, 'decorator-sync-first', 'attachments', undefined],
  [false, 'decorator-sync-first', 'finalizing', 'no'],
  [false, 'decorator-sync-first', 'object.kind', 'StatefulSet'],
  [false, 'decorator-sync-first', 'object.apiVersion', 'apps/v1beta1'],
  [false, 'decorator-sync-first', 'object.metadata.name', ''],
  [false, 'decorator-sync-first', 'object.metadata.namespace', undefined],
  [false, 'decorator-sync-first', 'object.metadata.uid', undefined],
  [false, 'decorator-sync-first', LABELS, { a: 1 }],
  [false, 'decorator-sync-first', 'object.spec.selector', null],
  [false, 'decorator-sync-first', `${POD}.containers`, {}],
  [false, 'decorator-sync-first', `${POD}.containers.0.name`, undefined],
  [false, 'decorator-sync-first', `${POD}.containers.0.ports`, [{ containerPort: '80' }]],
  [false, 'decorator-sync-first', `${POD}.terminationGracePeriodSeconds`, 1.5],
  [false, 'composite-sync-first', 'parent.kind', 'Deployment'],
  [false, 'composite-sync-first', 'children', { 'Service.v1': { a: {} } }],
  [false, 'composite-sync-first', 'related', []],
  [false, 'composite-customize', 'parent.metadata', undefined],
]

t.test('fields that are read have their types, and all others are allowed', async t => {
  for (const [taken, name, path, value] of CASES) {
    const request = changed(name, path, value)
    const before = structuredClone(request)
    t.equal(Check(SCHEMAS[name]!, request), taken, `${path}: ${JSON.stringify(value)}`)
    t.strictSame(request, before, 'nothing of it is changed')
  }
})
