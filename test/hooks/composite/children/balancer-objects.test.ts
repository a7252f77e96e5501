import t from 'tap'
import { syncBalancer } from '../../../../hooks/composite/composite.ts'
import type { CompositeRequest } from '../../../../hooks/requests/schemas.ts'
import { config, recorded } from '../../helper.ts'

const request = () => recorded<CompositeRequest>('composite-sync-with-children')
type Child = {
  kind: string
  metadata: { name: string; namespace: string }
  spec?: { selector?: object }
  roleRef?: object
}
const childrenOf = (call: CompositeRequest) => syncBalancer(call, config).response.children as unknown as Child[]

t.test('six children, all with names of their own', async t => {
  const children = childrenOf(request())
  t.strictSame(
    children.map(({ kind }) => kind),
    ['ServiceAccount', 'Role', 'RoleBinding', 'Deployment', 'Service', 'PodDisruptionBudget'],
  )
  for (const { kind, metadata } of children) {
    t.match(metadata, { name: 'chat-balancer', namespace: 'default', labels: { 'ws.operator/target': 'chat' } }, kind)
  }
})

t.test('what cannot be changed later depends on the name only', async t => {
  const changed = request()
  changed.parent.spec = {
    target: 'other',
    backend: { service: 'members' },
    replicas: 7,
    service: { port: 8080, type: 'LoadBalancer' },
    logLevel: 'debug',
  }
  const fixed = (call: CompositeRequest) =>
    childrenOf(call).flatMap(({ kind, spec, roleRef }) =>
      kind === 'Deployment' || kind === 'RoleBinding' ? [spec?.selector ?? roleRef] : [],
    )
  t.strictSame(fixed(changed), fixed(request()))
})
