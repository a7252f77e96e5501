import t from 'tap'
import { addressOf, serviceObject } from '../../../../hooks/composite/children/service.ts'

const metadata = { name: 'chat-balancer', namespace: 'team', labels: { a: 'b' } }
const at = (service: object, status?: unknown) => addressOf(metadata, { target: 'chat', service }, { status })

t.test('the address is where clients connect', async t => {
  t.equal(at({}), 'chat-balancer.team.svc:80')
  t.equal(at({ type: 'NodePort', port: 8080 }), 'chat-balancer.team.svc:8080')
  const balanced = (...ingress: object[]) => at({ type: 'LoadBalancer' }, { loadBalancer: { ingress } })
  t.equal(balanced({ ip: '192.0.2.1' }, { ip: '192.0.2.2' }), '192.0.2.1:80')
  t.equal(balanced({ hostname: 'lb.example', ip: '192.0.2.1' }), 'lb.example:80')
  t.equal(balanced({ ip: '2001:db8::1' }), '[2001:db8::1]:80')
})

t.test('there is none before there is a Service, or a load balancer', async t => {
  t.equal(addressOf(metadata, { target: 'chat' }, undefined), undefined)
  for (const status of [undefined, null, 3, { loadBalancer: {} }, { loadBalancer: { ingress: [{}] } }])
    t.equal(at({ type: 'LoadBalancer' }, status), undefined)
})

t.test('a Service always says of which type it is, so that it can change back', async t => {
  t.match(serviceObject(metadata, { target: 'chat' }).spec, { type: 'ClusterIP' })
  const service = { type: 'NodePort', annotations: { 'example.com/x': 'y' }, externalTrafficPolicy: 'Local' } as const
  t.match(serviceObject(metadata, { target: 'chat', service }), {
    metadata: { labels: { a: 'b' }, annotations: { 'example.com/x': 'y' } },
    spec: { type: 'NodePort', externalTrafficPolicy: 'Local' },
  })
})
