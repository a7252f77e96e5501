import t, { type Test } from 'tap'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect } from '../../helpers/client.ts'
import { type Running, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'
import { type Command, emails, KINDS, type Kind } from './apps.ts'

interface World {
  readonly apps: readonly App[]
  readonly sidecars: readonly Running[]
  readonly alice: string
  readonly bob: string
  readonly mallory: string
  join(user: string): Promise<Client>
}

/** Two pods: alice and mallory on the first, bob on the second. */
async function start(t: Test, kind: Kind, sidecar: Record<string, string | number>): Promise<World> {
  const apps = [await startApp(t, kind), await startApp(t, kind)]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, { sidecar })
  const [alice, bob] = [userOn(ownerOf, 0, 'alice'), userOn(ownerOf, 1, 'bob')]
  const mallory = userOn(ownerOf, 0, 'mallory')
  return {
    apps,
    sidecars,
    alice,
    bob,
    mallory,
    join: user => connect(t, balancer.port, { user, headers: { authorization: `Bearer ${user}` } }),
  }
}

const send = (client: Client, command: Command) => client.send(JSON.stringify(command))

const opened = (sidecar: Running | undefined) =>
  sidecar?.metric('sender_connections_opened_total', { result: 'opened' })

for (const TRANSPORT of ['link', 'http'] as const)
  for (const kind of KINDS)
    for (const devices of [1, 2, 3])
      t.test(`${TRANSPORT}, an app that ${kind.name}, ${devices} devices`, async t => {
        const { apps, sidecars, alice, bob, mallory, join } = await start(t, kind, { TRANSPORT })
        const bobs = await Promise.all(Array.from({ length: devices }, () => join(bob)))
        const [a, m] = [await join(alice), await join(mallory)]
        const texts = Array.from({ length: 20 }, (_, n) => `hello ${n}`)
        for (const text of texts) send(a, { recipientId: bob, text })
        const shown = [...kind.greeting(bob), ...texts.map(text => kind.expected(alice, text))]
        await Promise.all(bobs.map(device => device.received(shown.length)))
        for (const device of bobs) t.strictSame(device.texts, shown, 'each device has each once, and in order')
        const answers = [...kind.greeting(alice), ...texts.flatMap(text => kind.answer(alice, text))]
        await a.received(answers.length)
        t.strictSame(a.texts, answers, 'what the app answers comes back, its second greeting does not')
        t.equal(await opened(sidecars[1]), 1, 'one connection for all of them')
        await waitFor(
          async () => (await sidecars[0]?.metric('messages_routed_total', { outcome: 'delivered' })) === texts.length,
          'each has its outcome',
        )

        send(m, { recipientId: bob, type: 'set-email', text: 'mallory@example.com' })
        await waitFor(() => emails.get(apps[1] as App) !== undefined, 'the app has it')
        t.strictSame(emails.get(apps[1] as App), [`${mallory}: mallory@example.com`], 'Mallory acts as Mallory')
        t.strictSame(bobs[0]?.texts, shown)
        t.strictSame(m.texts, kind.greeting(mallory))
      })

t.test('on one pod the message goes up the sender’s own connection, in its place in the stream', async t => {
  const seen: string[] = []
  const app = await startApp(t, {
    onConnection: (socket, { headers }) =>
      socket.on('message', data => seen.push(`${headers['ws-user-id']} ${JSON.parse(String(data)).text}`)),
  })
  const { balancer, sidecars } = await startStack(t, [app])
  await connect(t, balancer.port, { user: 'bob' })
  const alice = await connect(t, balancer.port, { user: 'alice' })
  send(alice, { text: '1' })
  send(alice, { recipientId: 'bob', text: '2' })
  send(alice, { text: '3' })
  await waitFor(() => seen.length === 3, 'the app has them')
  t.strictSame(seen, ['alice 1', 'alice 2', 'alice 3'])
  t.equal(app.handshakes.length, 2)
  t.equal(await opened(sidecars[0]), 0)
})

t.test('deliver: app writes to the one connection of the recipient that was heard of last', async t => {
  const kind = { onConnection: () => {} }
  const apps = [await startApp(t, kind), await startApp(t, kind)]
  const { balancer, ownerOf } = await startStack(t, apps, { sidecar: { DELIVER: 'app' } })
  const bob = userOn(ownerOf, 1, 'bob')
  await connect(t, balancer.port, { user: bob })
  await connect(t, balancer.port, { user: bob })
  const alice = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'alice') })
  for (const text of ['1', '2']) send(alice, { recipientId: bob, text })
  await waitFor(() => (apps[1]?.received.length ?? 0) >= 2, 'the app has both')
  t.strictSame(
    apps[1]?.received.map(({ user, data }) => `${user} ${JSON.parse(data.toString()).text}`),
    [`${bob} 1`, `${bob} 2`],
    'each once',
  )
})
