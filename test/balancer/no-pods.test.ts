import t from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { type App, startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { membersFile, type Running, type Scope, startSidecar, startToldBalancer } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

interface Pod {
  readonly app: App
  readonly sidecar: Running
  kill(): Promise<void>
}

async function startPod(t: Scope): Promise<Pod> {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile())
  const kill = async () => {
    await app.stop()
    await sidecar.service.drain(Date.now() + 200)
    await sidecar.service.app.close()
  }
  return { app, sidecar, kill }
}

const member = ({ sidecar }: Pod) => parseMember(sidecar.name)
const none = new Set<string>()

t.test('the last pod has gone: its address is asked for nothing more, and clients are told to come again', async t => {
  const pod = await startPod(t)
  const balancer = await startToldBalancer(t)
  t.match(balancer.service.notReady(), /no member is known/)
  balancer.tell([member(pod)], none)
  const client = await connect(t, balancer.port, { user: 'ann' })
  balancer.tell([], new Set([pod.sidecar.name]))
  t.equal(
    (await connect(t, balancer.port, { user: 'bob' })).response.statusCode,
    101,
    'it still serves, and there is no other',
  )
  balancer.tell([], none)
  // Whatever it is that has the address now.
  const before = pod.app.handshakes.length
  const answer = await refusal(t, balancer.port, { user: 'eve', headers: { cookie: 'sid=1' } })
  t.match(answer, { status: 503, headers: { 'retry-after': '1', 'x-ws-operator-error': 'WSO_ERR_NO_OWNER' } })
  t.equal(pod.app.handshakes.length, before)
  t.equal(await balancer.metric('members'), 0)
  t.equal(balancer.service.notReady(), undefined, 'it answers, and has clients that wait')
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('all pods are replaced at once: clients wait for the new ones, and keep their sockets', async t => {
  const old = await startPod(t)
  const balancer = await startToldBalancer(t, { REHOME_TIMEOUT_MS: 60_000 })
  balancer.tell([member(old)], none)
  const clients = await Promise.all(['ann', 'bob', 'eve'].map(user => connect(t, balancer.port, { user })))
  balancer.tell([], new Set([old.sidecar.name]))
  await old.kill()
  balancer.tell([], none)
  await waitFor(async () => (await balancer.metric('moves_waiting')) === 3, 'they wait')
  t.match(await refusal(t, balancer.port, { user: 'new' }), { status: 503, headers: { 'retry-after': '1' } })
  const next = await startPod(t)
  balancer.tell([member(next)], none)
  await waitFor(async () => (await balancer.metric('moves_waiting')) === 0, 'they have a pod again')
  for (const client of clients) client.send('still here')
  await Promise.all(clients.map(client => client.received(1)))
  t.equal(next.app.server.clients.size, 3)
})

t.test('pods that are not listed any more are kept for a moment, and for as long as the source fails', async t => {
  const pod = await startPod(t)
  const balancer = await startToldBalancer(t)
  balancer.tell([member(pod)], none)
  const client = await connect(t, balancer.port, { user: 'ann' })
  balancer.tell([], none)
  balancer.fail('no route')
  t.equal((await connect(t, balancer.port, { user: 'bob' })).response.statusCode, 101)
  balancer.tell([], none)
  await waitFor(async () => (await balancer.metric('members')) === 0, 'its time is over')
  t.match(await refusal(t, balancer.port, { user: 'eve' }), { status: 503 })
  client.send('still here')
  await client.received(1)
  balancer.tell([member(pod)], none)
  t.equal((await connect(t, balancer.port, { user: 'eve' })).response.statusCode, 101)
})
