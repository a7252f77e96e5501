import t from 'tap'
import { ANNOTATIONS, DEFAULTS } from '../../../../hooks/annotations/annotations.ts'
import { autoscaling, DEFAULT_TARGET_CPU, replicas } from '../../../../hooks/composite/spec/scale-spec.ts'
import { problems } from './cel-model.ts'

t.test('the number of pods is one that the annotation takes too', async t => {
  const { parse } = ANNOTATIONS['balancer-replicas']
  for (const good of [0, 1, 100]) {
    t.strictSame(problems(replicas, good), [], `${good}`)
    t.equal(parse(`${good}`), good)
  }
  for (const bad of [-1, 101, 1.5, '2']) {
    t.not(problems(replicas, bad).length, 0, `${bad}`)
    if (typeof bad === 'number') t.throws(() => parse(`${bad}`), `${bad}`)
  }
})

// `kubectl scale` fails on an object without a number.
t.test('the API server fills the number in', async t => {
  t.match(replicas, { default: DEFAULTS['balancer-replicas'] })
})

t.test('autoscaling needs both bounds, in their order', async t => {
  t.strictSame(problems(autoscaling, { minReplicas: 1, maxReplicas: 100 }), [])
  t.strictSame(problems(autoscaling, { minReplicas: 3, maxReplicas: 3 }), [])
  t.strictSame(problems(autoscaling, { minReplicas: 4, maxReplicas: 3 }), ['minReplicas must not be above maxReplicas'])
  for (const bad of [
    { minReplicas: 1 },
    { maxReplicas: 1 },
    { minReplicas: 0, maxReplicas: 1 },
    { minReplicas: 1, maxReplicas: 101 },
  ])
    t.not(problems(autoscaling, bad).length, 0, JSON.stringify(bad))
})

t.test('a target is a whole number within its bounds', async t => {
  const scaled = (target: object) => problems(autoscaling, { minReplicas: 1, maxReplicas: 2, ...target })
  for (const [field, largest] of [
    ['targetCPUUtilizationPercentage', 1000],
    ['targetConnectionsPerPod', 1_000_000],
  ] as const) {
    for (const good of [1, largest]) t.strictSame(scaled({ [field]: good }), [], `${field}: ${good}`)
    for (const bad of [0, largest + 1, 1.5]) t.strictSame(scaled({ [field]: bad }), [`/${field}`], `${field}: ${bad}`)
  }
  t.strictSame(scaled({ targetCPUUtilizationPercentage: DEFAULT_TARGET_CPU }), [])
})
