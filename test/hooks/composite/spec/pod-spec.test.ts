import t from 'tap'
import { targetLabels } from '../../../../hooks/apply/object-labels.ts'
import { selector } from '../../../../hooks/composite/children/child-names.ts'
import { imagePullSecrets, podLabels, priorityClassName } from '../../../../hooks/composite/spec/pod-spec.ts'
import { problems } from './cel-model.ts'

const OURS = 'labels of ws.operator and of app.kubernetes.io are set by ws-operator'
const NAMES = 'podLabels must have names as labels have'

t.test('a Secret or a PriorityClass has the name of an object', async t => {
  const secret = (name: unknown) => problems(imagePullSecrets, [{ name }])
  const priority = (name: unknown) => problems(priorityClassName, name)
  for (const good of ['regcred', 'a.b-c.d', '1', 'x'.repeat(253)])
    t.strictSame([...secret(good), ...priority(good)], [], good)
  for (const bad of ['', 'Upper', 'a..b', '-a', 'a-', 'a.', 'two words', 'x'.repeat(254), 1]) {
    t.strictSame(secret(bad)[0], '/0/name', `Secret ${bad}`)
    t.strictSame(priority(bad)[0], '', `PriorityClass ${bad}`)
  }
})

t.test('there may be 8 Secrets', async t => {
  t.strictSame(problems(imagePullSecrets, Array(8).fill({ name: 'a' })), [])
  t.not(problems(imagePullSecrets, Array(9).fill({ name: 'a' })).length, 0)
})

t.test('labels are named as labels are, and are no labels of ws-operator', async t => {
  for (const good of ['team', 'cost.example/center', 'A_b.c-d', 'x'.repeat(63), `${'d'.repeat(253)}/x`])
    t.strictSame(problems(podLabels, { [good]: 'v' }), [], good)
  for (const bad of [
    '',
    '-a',
    'a-',
    'two words',
    'a/b/c',
    '/a',
    'x'.repeat(64),
    `${'d'.repeat(254)}/x`,
    'UP.example/a',
  ])
    t.strictSame(problems(podLabels, { [bad]: 'v' }), [NAMES], bad)
  for (const ours of Object.keys({ ...selector('chat-balancer'), ...targetLabels('chat') }))
    t.strictSame(problems(podLabels, { [ours]: 'v' }), [OURS], ours)
})

t.test('a label’s value is one that labels may have, and there may be 32', async t => {
  for (const good of ['', 'v', 'A_b.c-d', 'x'.repeat(63)]) t.strictSame(problems(podLabels, { a: good }), [], good)
  for (const bad of ['two words', 'x'.repeat(64), '-', 'a.']) t.strictSame(problems(podLabels, { a: bad }), ['/a'], bad)
  const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`label-${i}`, 'x']))
  t.strictSame(problems(podLabels, many(32)), [])
  t.not(problems(podLabels, many(33)).length, 0)
})
