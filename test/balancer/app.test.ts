import t, { type Test } from 'tap'
import { parseMember } from '../../lib/routing/members.ts'
import { startApp } from '../helpers/app.ts'
import { connect, refusal } from '../helpers/client.ts'
import { membersFile, startBalancer, startSidecar, startStack, startToldBalancer, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const none = new Set<string>()

t.test('it is ready once it has known a member, and stays ready when none is left', async t => {
  const { service, tell } = await startToldBalancer(t)
  t.match(await service.notReady(), /no member is known/)
  tell([parseMember('127.0.0.1:1')], none)
  t.equal(await service.notReady(), undefined)
  tell([], none)
  t.equal(await service.notReady(), undefined)
})

t.test('each connection is logged when it begins and ends, with its user and member', async t => {
  const { balancer, sidecars } = await startStack(t, [await startApp(t)])
  const client = await connect(t, balancer.port, { user: 'ann' })
  const logged = (what: string) => balancer.logs.find(({ msg }) => msg === what)
  await waitFor(() => logged('connected') !== undefined, 'it is logged')
  t.match(logged('connected'), { user: 'ann', connection: /./, member: sidecars[0]?.name })
  client.socket.close(4001)
  await waitFor(() => logged('disconnected') !== undefined, 'so is its end')
  t.match(logged('disconnected'), { user: 'ann', connection: logged('connected')?.['connection'], member: /./ })
})

t.test('a drain refuses new clients, and tells those that are there to connect again by its deadline', async t => {
  const { balancer } = await startStack(t, [await startApp(t)])
  const clients = await Promise.all(['ann', 'bob', 'eve'].map(user => connect(t, balancer.port, { user })))
  const drained = balancer.service.drain(Date.now() + 2000)
  t.match(await refusal(t, balancer.port, { user: 'late' }), { status: 503, body: /WSO_ERR_DRAINING/ })
  for (const { closed } of clients) t.match(await closed, { code: 1012 })
  await drained
  t.equal(await balancer.metric('connections'), 0)
})

/** One pod that has a connection of a user whom another pod, which comes later, owns. */
async function startMisplaced(t: Test, REBALANCE: string) {
  const members = await membersFile()
  const apps = await Promise.all([startApp(t), startApp(t)])
  const sidecars = await Promise.all(apps.map(({ port }) => startSidecar(t, port, members)))
  const names = sidecars.map(({ name }) => name) as [string, string]
  const balancer = await startBalancer(t, members, { REBALANCE })
  const know = async (...known: string[]) => {
    await members.set(...known)
    await waitFor(async () => (await balancer.metric('members')) === known.length, 'the members are known')
  }
  const { MemberSet } = await import('../../lib/routing/rendezvous.ts')
  const set = MemberSet.of(names.map(parseMember))
  const user = userOn(name => names.indexOf(set.owner(name)?.name ?? ''), 1)
  await know(names[0])
  const first = await connect(t, balancer.port, { user })
  await know(...names)
  return { balancer, apps, user, first }
}

for (const [REBALANCE, pod, what] of [
  ['off', 0, 'stays where the user is connected'],
  ['on-reconnect', 1, 'goes to the owner, wherever the user is connected'],
] as const) {
  t.test(`REBALANCE=${REBALANCE}: the next connection ${what}`, async t => {
    const { balancer, apps, user, first } = await startMisplaced(t, REBALANCE)
    await connect(t, balancer.port, { user })
    t.equal(apps[pod].server.clients.size, pod === 0 ? 2 : 1)
    first.socket.close()
    await first.closed
  })
}

t.test('with REBALANCE=off a user without a connection goes to the owner', async t => {
  const { balancer, apps, user, first } = await startMisplaced(t, 'off')
  first.socket.close()
  await first.closed
  await waitFor(async () => (await balancer.metric('connections')) === 0, 'it is gone')
  await connect(t, balancer.port, { user })
  t.equal(apps[1].server.clients.size, 1)
})
