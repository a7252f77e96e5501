import t from 'tap'
import { APP_PROTOCOL, targetLabels } from '../../../hooks/apply/object-labels.ts'

t.test('an object is labelled with who made it and for which Deployment', async t => {
  t.strictSame(targetLabels('chat'), {
    'app.kubernetes.io/managed-by': 'ws-operator',
    'ws.operator/target': 'chat',
  })
})

t.test('each object gets labels of its own, which may be added to', async t => {
  const labels = targetLabels('chat')
  labels['more'] = 'x'
  t.notOk(Object.hasOwn(targetLabels('chat'), 'more'))
})

t.test('a port for WebSockets has the name that Kubernetes reserves for them', async t => {
  t.equal(APP_PROTOCOL, 'kubernetes.io/ws')
})
