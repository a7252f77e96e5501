import t from 'tap'
import { containerEnv, expand } from '../../../local/processes/environment.ts'

const pod = { name: 'chat-abcde', namespace: 'default', ip: '127.0.0.11' }

t.test('values come from the pod, and refer to what stands before them', async t => {
  const env = [
    { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
    { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
    { name: 'NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
    { name: 'SELF', value: '$(POD_IP):3000' },
    { name: 'EARLY', value: '$(LATE)' },
    { name: 'LATE', value: 'x' },
    { name: 'EMPTY' },
  ]
  t.strictSame(containerEnv({ name: 'proxy', env }, pod), {
    POD_IP: '127.0.0.11',
    POD: 'chat-abcde',
    NAMESPACE: 'default',
    SELF: '127.0.0.11:3000',
    EARLY: '$(LATE)',
    LATE: 'x',
    EMPTY: '',
  })
  t.strictSame(containerEnv({ name: 'plain' }, pod), {})
})

t.test('dollar signs, as Kubernetes reads them', async t => {
  const values = { A: 'one', B: '$(A)' }
  for (const [text, expected] of [
    ['$(A)', 'one'],
    ['$(A)$(A)', 'oneone'],
    ['$(B)', '$(A)'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$one'],
    ['$A $', '$A $'],
    ['$(C)', '$(C)'],
    ['$(A', '$(A'],
    ['$(toString)', '$(toString)'],
    ['^/room/([^/]+)$$', '^/room/([^/]+)$'],
  ] as const) {
    t.equal(expand(text, values), expected, text)
  }
})

t.test('a source that this machine does not have is named', async t => {
  const env = [{ name: 'SECRET', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }]
  t.throws(() => containerEnv({ name: 'app', env }, pod), /container app, variable SECRET: .*secretKeyRef/)
})
