import t from 'tap'
import { childMetadata, selector } from '../../../../hooks/composite/children/child-names.ts'

t.test('the children of a balancer have its name with a suffix, in its namespace', async t => {
  t.match(childMetadata({ name: 'chat', namespace: 'team' }, 'app'), { name: 'chat-balancer', namespace: 'team' })
})

// The selector of a Deployment is immutable: another target must not need another one.
t.test('the selector depends on the name only, and selects what has the labels', async t => {
  const [one, other] = ['app', 'other'].map(target => childMetadata({ name: 'chat', namespace: 'team' }, target))
  const selected = selector('chat-balancer')
  for (const { labels } of [one!, other!]) t.match(labels, selected)
  t.notSame(one!.labels, other!.labels, 'the target is a label too')
  t.strictSame(Object.keys(selected).sort(), ['app.kubernetes.io/instance', 'app.kubernetes.io/name'])
})

t.test('the pods of two balancers are told apart', async t => {
  t.notSame(selector('a-balancer'), selector('b-balancer'))
})
