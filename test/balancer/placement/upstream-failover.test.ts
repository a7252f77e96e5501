import t from 'tap'
import { refusal } from '../../helpers/client.ts'
import { EXPOSED, startStack } from '../../helpers/stack.ts'

t.test('a new client is offered to three pods, however many there are; then it gets the last answer', async t => {
  // Nobody listens there: the apps of all pods are dead.
  const { balancer, sidecars } = await startStack(t, Array(5).fill({ port: 1 }), EXPOSED)
  const { status, headers, body } = await refusal(t, balancer.port, { user: 'ann' })
  t.equal(status, 502)
  t.match(body, 'WSO_ERR_UPSTREAM_UNREACHABLE')
  const asked = await Promise.all(
    sidecars.map(sidecar => sidecar.metric('rejected_total', { reason: 'upstream_unreachable' })),
  )
  t.equal(
    asked.reduce((sum, count) => sum + count),
    3,
  )
  t.ok(Math.max(...asked) === 1, 'each of them once')
  const last = sidecars.findIndex(({ name }) => name === headers['x-ws-operator-upstream-host'])
  t.equal(asked[last], 1, 'the answer is of one that was asked')
  t.equal(await balancer.metric('rejected_total', { reason: 'upstream' }), 1, 'it is one handshake that was refused')
})
