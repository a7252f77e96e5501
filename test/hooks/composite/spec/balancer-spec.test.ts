import t from 'tap'
import { Check } from 'typebox/value'
import type { Annotation } from '../../../../hooks/annotations/annotation.ts'
import { ANNOTATIONS, type AnnotationName } from '../../../../hooks/annotations/annotations.ts'
import { balancerSpec } from '../../../../hooks/composite/spec/balancer-spec.ts'
import { setField } from '../../../../hooks/composite/variables/balancer-fields.ts'
import { brokenRules, problems } from './cel-model.ts'

const TARGET = { target: 'chat' }

t.test('a name of a Deployment is all that a spec needs', async t => {
  t.strictSame(problems(balancerSpec, TARGET), [])
  for (const target of ['a', 'chat-2.app', 'x'.repeat(63)]) t.strictSame(problems(balancerSpec, { target }), [], target)
  for (const target of [undefined, '', 'Chat', '-a', 'a-', 'a b', 'x'.repeat(64), 3])
    t.not(problems(balancerSpec, { target }).length, 0, String(target))
})

t.test('another target, or another owner, needs another balancer', async t => {
  const broken = (now: object, old: object) => brokenRules(balancerSpec, { ...TARGET, ...now }, { ...TARGET, ...old })
  t.match(broken({ target: 'other' }, {}), [/^target cannot be changed; make another WebSocketBalancer/])
  for (const [now, old] of [
    [{ targetUID: 'a' }, {}],
    [{}, { targetUID: 'a' }],
    [{ targetUID: 'a' }, { targetUID: 'b' }],
  ] as const) {
    t.match(broken(now, old), [/^targetUID cannot be changed: /], JSON.stringify([now, old]))
  }
  t.strictSame(broken({ targetUID: 'a' }, { targetUID: 'a' }), [])
  t.strictSame(broken({ workers: 2 }, { workers: 1 }), [])
})

t.test('replicas and autoscaling exclude each other, but for the number that the API server fills in', async t => {
  const autoscaling = { minReplicas: 1, maxReplicas: 2 }
  t.strictSame(problems(balancerSpec, { ...TARGET, autoscaling }), [])
  t.strictSame(problems(balancerSpec, { ...TARGET, autoscaling, replicas: 2 }), [])
  t.strictSame(problems(balancerSpec, { ...TARGET, autoscaling, replicas: 3 }), [
    'replicas and autoscaling exclude each other',
  ])
})

t.test('each value that an annotation allows is one that its field allows', async t => {
  let fields = 0
  for (const [name, annotation] of Object.entries(ANNOTATIONS) as [AnnotationName, Annotation<unknown>][]) {
    const { field, values, parse } = annotation
    if (field === undefined || !/ \| |–/.test(values)) continue
    for (const text of values.split(/ \| |–/)) {
      const spec: Record<string, unknown> = { ...TARGET }
      const value = parse(text)
      setField(spec, field, field === 'exposeTopology' ? value === 'true' : value)
      t.ok(Check(balancerSpec, spec), `${name}: ${text}`)
      fields++
    }
  }
  t.ok(fields > 20, `${fields} values`)
})

t.test('a value of the wrong type or beyond its bound is refused at its path', async t => {
  for (const [spec, path] of [
    [{ image: '' }, '/image'],
    [{ image: 'x'.repeat(513) }, '/image'],
    [{ backend: {} }, '/backend'],
    [{ backend: { service: '1a' } }, '/backend/service'],
    [{ routing: { key: '' } }, '/routing/key'],
    [{ routing: { onMissing: 'guess' } }, '/routing/onMissing'],
    [{ rehome: 'maybe' }, '/rehome'],
    [{ rebalance: { policy: false } }, '/rebalance/policy'],
    [{ drainSeconds: 3601 }, '/drainSeconds'],
    [{ exposeTopology: 'true' }, '/exposeTopology'],
    [{ logLevel: 'loud' }, '/logLevel'],
    [{ workers: -1 }, '/workers'],
    [{ service: { type: 'Other' } }, '/service/type'],
    [{ tolerations: {} }, '/tolerations'],
  ] as const) {
    t.equal(problems(balancerSpec, { ...TARGET, ...spec })[0], path, JSON.stringify(spec).slice(0, 80))
  }
})

interface Schema {
  readonly type?: string | string[]
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly items?: Schema
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly [bound: string]: unknown
}

/** Paths of fields without a bound; the API server counts the cost of a rule by the bounds. */
function unbounded(schema: Schema, path: string): string[] {
  const { type, items, properties, patternProperties } = schema
  if (properties) return Object.entries(properties).flatMap(([name, field]) => unbounded(field, `${path}.${name}`))
  const maps = Object.values(patternProperties ?? {})
  if (maps.length > 0)
    return [...(schema['maxProperties'] ? [] : [path]), ...maps.flatMap(map => unbounded(map, `${path}.*`))]
  if (items) return [...(schema['maxItems'] ? [] : [path]), ...unbounded(items, `${path}[]`)]
  const bounded = type === 'boolean' || schema.enum || schema['maximum'] !== undefined || schema['maxLength']
  return bounded ? [] : [path]
}

t.test('every field has a bound', async t => {
  t.strictSame(unbounded(balancerSpec as unknown as Schema, 'spec'), [])
})
