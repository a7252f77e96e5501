import t from 'tap'
import { affinity } from '../../../../hooks/composite/spec/affinity-spec.ts'
import { problems } from './cel-model.ts'

const VALUES = 'operators In and NotIn go with values, Exists and DoesNotExist without'
const NUMBER = 'operators Gt and Lt go with one number'

const onNodes = (...matchExpressions: object[]) => ({
  nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchExpressions }] } },
})
const apart = (labelSelector: object, topologyKey = 'kubernetes.io/hostname') => ({
  podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey, labelSelector }] },
})

t.test('an affinity as pods have it is taken', async t => {
  const term = { matchExpressions: [{ key: 'pool', operator: 'In', values: ['edge', ''] }] }
  const podAffinityTerm = { topologyKey: 'zone', labelSelector: { matchLabels: { app: 'chat' } } }
  for (const good of [
    {},
    onNodes({ key: 'topology.kubernetes.io/zone', operator: 'Exists' }, { key: 'cpus', operator: 'Gt', values: ['8'] }),
    { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 100, preference: term }] } },
    { podAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 1, podAffinityTerm }] } },
    apart({ matchExpressions: [{ key: 'app', operator: 'NotIn', values: ['chat'] }] }),
    apart({}),
  ]) {
    t.strictSame(problems(affinity, good), [], JSON.stringify(good))
  }
})

t.test('an operator goes with as many values as it uses', async t => {
  for (const [operator, values, problem] of [
    ['In', ['a'], undefined],
    ['In', [], VALUES],
    ['NotIn', undefined, VALUES],
    ['Exists', undefined, undefined],
    ['Exists', [], undefined],
    ['DoesNotExist', ['a'], VALUES],
    ['Gt', ['8'], undefined],
    ['Lt', ['8', '9'], NUMBER],
    ['Gt', ['many'], NUMBER],
    ['Lt', ['9'.repeat(19)], NUMBER],
  ] as const) {
    const expected = problem === undefined ? [] : [problem]
    t.strictSame(problems(affinity, onNodes({ key: 'a', operator, values })), expected, `${operator} ${values}`)
  }
})

t.test('pods cannot be compared with a number, and no operator is made up', async t => {
  const expression = (operator: string) => apart({ matchExpressions: [{ key: 'a', operator, values: ['1'] }] })
  for (const operator of ['Gt', 'Lt', 'Equals']) t.not(problems(affinity, expression(operator)).length, 0, operator)
})

t.test('keys and values are those that labels may have, and each list is bounded', async t => {
  const exists = { key: 'a', operator: 'Exists' }
  for (const bad of [
    onNodes({ key: '-a', operator: 'Exists' }),
    onNodes({ key: 'UPPER.example/a', operator: 'Exists' }),
    onNodes({ key: '', operator: 'Exists' }),
    onNodes({ key: 'a', operator: 'In', values: ['two words'] }),
    onNodes({ key: 'a', operator: 'In', values: ['x'.repeat(64)] }),
    onNodes({ key: 'a', operator: 'In', values: Array(33).fill('x') }),
    onNodes(...Array(9).fill(exists)),
    apart({ matchLabels: { app: 'two words' } }),
    apart({}, ''),
    { podAffinity: { requiredDuringSchedulingIgnoredDuringExecution: Array(9).fill(apart({})) } },
    { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    { nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, preference: {} }] } },
  ]) {
    t.not(problems(affinity, bad).length, 0, JSON.stringify(bad).slice(0, 120))
  }
})
