import type { Socket } from 'node:net'
import t from 'tap'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { startStack } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

t.test('an idle connection has no timer of its own, whatever limits in time it has', async t => {
  const app = await startApp(t)
  const limits = {
    CLIENT_PING_SECONDS: 600,
    CLIENT_IDLE_SECONDS: 900,
    UPSTREAM_PING_SECONDS: 600,
    UPSTREAM_IDLE_SECONDS: 900,
  }
  const { balancer, sidecars } = await startStack(t, [app], { balancer: limits, sidecar: limits })
  const accepted: Socket[] = []
  for (const { service } of [balancer, ...sidecars])
    service.app.server.on('connection', (socket: Socket) => accepted.push(socket))
  const open = async (count: number) => {
    for (let n = 0; n < count; n++) await connect(t, balancer.port, { user: `user-${accepted.length}` })
  }
  const timers = () => process.getActiveResourcesInfo().filter(kind => kind === 'Timeout').length
  await open(5)
  const few = timers()
  await open(50)
  await waitFor(() => timers() <= few, 'there are no more timers than before')
  t.equal(accepted.length, 110)
  // A timer of a socket is not among them.
  t.strictSame(new Set(accepted.map(({ timeout }) => timeout)), new Set([0]))
})
