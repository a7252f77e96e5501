import t from 'tap'
import { parseMember } from '../../../lib/routing/members.ts'
import { startApp } from '../../helpers/app.ts'
import { connect, refusal } from '../../helpers/client.ts'
import { membersFile, startSidecar, startToldBalancer } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const none = new Set<string>()

t.test(
  'a balancer that still has the address of a pod that is another app’s now: nothing of a client reaches that app',
  async t => {
    const [ours, theirs] = await Promise.all([startApp(t), startApp(t)])
    const members = await membersFile()
    const own = await startSidecar(t, ours.port, members, { TARGET: 'team-a/chat' })
    const foreign = await startSidecar(t, theirs.port, members, { TARGET: 'team-b/shop' })
    const balancer = await startToldBalancer(t, { TARGET: 'team-a/chat' })
    balancer.tell([parseMember(foreign.name)], none)
    const headers = { cookie: 'sid=1' }
    t.match(await refusal(t, balancer.port, { user: 'ann', headers }), {
      status: 503,
      headers: { 'retry-after': '1', 'x-ws-operator-error': 'WSO_ERR_WRONG_TARGET' },
    })
    const plain = await fetch(`http://127.0.0.1:${balancer.port}/login`, { headers })
    t.equal(plain.status, 503)
    t.strictSame(theirs.handshakes, [])
    t.equal(await foreign.metric('rejected_total', { reason: 'wrong_target' }), 1)

    balancer.tell([parseMember(foreign.name), parseMember(own.name)], none)
    const clients = await Promise.all(
      ['ann', 'bob', 'eve', 'joe'].map(user => connect(t, balancer.port, { user, headers })),
    )
    for (const client of clients) client.send('hello')
    await Promise.all(clients.map(client => client.received(1)))
    t.equal(ours.handshakes.length, 4, 'all of them are passed on to the pod that is one')
    t.strictSame(theirs.handshakes, [])
    t.notMatch(ours.handshakes[0], { headers: { 'x-ws-operator-target': /./ } }, 'the app hears nothing of it')
  },
)

t.test('a client that is moved is not moved to another app', async t => {
  const [ours, theirs] = await Promise.all([startApp(t), startApp(t)])
  const members = await membersFile()
  const own = await startSidecar(t, ours.port, members, { TARGET: 'team-a/chat' })
  const foreign = await startSidecar(t, theirs.port, members, { TARGET: 'team-b/shop' })
  const balancer = await startToldBalancer(t, { TARGET: 'team-a/chat' })
  balancer.tell([parseMember(own.name)], none)
  const client = await connect(t, balancer.port, { user: 'ann' })
  balancer.tell([parseMember(foreign.name)], new Set([own.name]))
  await waitFor(async () => (await foreign.metric('rejected_total', { reason: 'wrong_target' })) > 0, 'it is refused')
  t.strictSame(theirs.handshakes, [])
  client.send('still here')
  await client.received(1)
})

t.test('where one of the two does not say whose pods it means, or is, nothing is checked', async t => {
  const app = await startApp(t)
  const members = await membersFile()
  const older = await startSidecar(t, app.port, members)
  const own = await startSidecar(t, app.port, members, { TARGET: 'team-a/chat' })
  for (const [env, sidecar] of [
    [{ TARGET: 'team-a/chat' }, older],
    [{}, own],
  ] as const) {
    const balancer = await startToldBalancer(t, env)
    balancer.tell([parseMember(sidecar.name)], none)
    // What a client says of it does not count.
    const headers = { 'x-ws-operator-target': 'team-b/shop' }
    t.equal((await connect(t, balancer.port, { user: 'ann', headers })).response.statusCode, 101)
  }
})

t.test(
  'another app’s sidecar that has our address from its list gets no message through, over both transports',
  async t => {
    for (const TRANSPORT of ['link', 'http']) {
      const [ours, theirs] = await Promise.all([startApp(t), startApp(t)])
      const own = await startSidecar(t, ours.port, await membersFile(), { TARGET: 'team-a/chat', DELIVER: 'client' })
      const list = await membersFile(own.name)
      const foreign = await startSidecar(t, theirs.port, list, {
        TARGET: 'team-b/shop',
        DELIVER: 'client',
        TRANSPORT,
        RECIPIENT_WAIT_MS: 0,
      })
      const bob = await connect(t, own.port, { user: 'bob' })
      const ann = await connect(t, foreign.port, { user: 'ann' })
      ann.send('{"recipientId":"bob"}')
      await waitFor(
        async () => (await foreign.metric('messages_routed_total', { outcome: 'no_owner' })) === 1,
        `it has its outcome over ${TRANSPORT}`,
      )
      t.ok((await own.metric('peers_refused_total', { reason: 'wrong_target' })) > 0)
      t.strictSame(bob.texts, [])
    }
  },
)
