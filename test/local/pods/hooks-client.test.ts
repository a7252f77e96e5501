import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import t from 'tap'
import { findBalancer, HooksClient } from '../../../local/pods/hooks-client.ts'
import { startProgram } from '../../helpers/process.ts'

const { port } = await startProgram(t, 'hooks')
const hooks = new HooksClient(`http://127.0.0.1:${port}`)

const deployment = (annotations: Record<string, string> = {}): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'chat', labels: { 'ws.operator/enable': 'true' }, annotations },
  spec: {
    selector: { matchLabels: { app: 'chat' } },
    template: { spec: { containers: [{ name: 'app', image: 'app:1', ports: [{ containerPort: 3001 }] }] } },
  },
})

t.test('a Deployment gets its sidecar and its balancer, and then nothing changes any more', async t => {
  const { deployment: decorated, attachments, answers } = await hooks.decorate(deployment())
  t.match(answers, [/^Pending: /, /^Injected: /, 'Injected again, and nothing left to change'])
  const pod = decorated.spec?.template.spec
  t.match(pod?.initContainers, [{ name: 'websocket-proxy', restartPolicy: 'Always' }])
  t.strictSame(pod?.containers, [{ name: 'app', image: 'app:1', ports: [{ containerPort: 3001 }] }], 'untouched')
  t.strictSame(attachments.map(({ kind }) => kind).sort(), ['Service', 'WebSocketBalancer'])
  const { children } = await hooks.balance(findBalancer(attachments), [])
  t.ok(children.some(({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'chat-balancer'))
  const again = await hooks.balance(findBalancer(attachments), children)
  t.strictSame(again.children, children, 'asked again, the same')
})

t.test('a refusal says why', async t => {
  await t.rejects(hooks.decorate(deployment({ 'ws.operator/app-port': 'nowhere' })), /refuse.*nowhere/)
})

t.test('a request that the hooks cannot read says so', async t => {
  await t.rejects(hooks.decorate({ ...deployment(), spec: {} } as Deployment), /POST \/decorator\/sync answered 400/)
})

t.test('a balancer that is not there', async t => {
  t.throws(() => findBalancer([]), /no WebSocketBalancer/)
})
