import type { IncomingMessage } from 'node:http'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect } from '../../helpers/client.ts'
import { type Running, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

type Connected = (socket: WebSocket, request: IncomingMessage, app: App) => void

const isShadow = ({ headers }: IncomingMessage): boolean => headers['x-ws-operator-shadow'] !== undefined

/** Passes what is written on to the recipient's sockets of this pod. */
const passOn: Connected = (socket, request, app) => {
  Object.assign(socket, { user: request.headers['ws-user-id'] })
  socket.on('message', (data: Buffer) => {
    const { recipientId } = JSON.parse(data.toString()) as { recipientId: string }
    for (const other of app.server.clients)
      if ((other as WebSocket & { user?: string }).user === recipientId) other.send(data.toString())
  })
}

interface World {
  readonly apps: readonly App[]
  readonly sidecars: readonly Running[]
  readonly bob: string
  readonly device: Client
  /** A client on the first pod. */
  join(name: string): Promise<Client>
}

/** Two pods, bob on the second. */
async function start(t: Test, sidecar: Record<string, string | number>, connected: Connected = passOn): Promise<World> {
  const apps = [await startApp(t, { onConnection: connected }), await startApp(t, { onConnection: connected })]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, { sidecar })
  const bob = userOn(ownerOf, 1, 'bob')
  const device = await connect(t, balancer.port, { user: bob })
  const join = (name: string) => connect(t, balancer.port, { user: userOn(ownerOf, 0, name) })
  return { apps, sidecars, bob, device, join }
}

const text = (recipientId: string, text: string) => JSON.stringify({ recipientId, text })
const textsOf = (client: Client) => client.texts.map(line => JSON.parse(line).text as string)
const outcome = (sidecar: Running | undefined, outcome: string) => sidecar?.metric('messages_routed_total', { outcome })
const closed = (sidecar: Running | undefined, reason: string) =>
  sidecar?.metric('sender_connections_closed_total', { reason })
const open = (sidecar: Running | undefined) => sidecar?.metric('sender_connections')

for (const TRANSPORT of ['link', 'http'] as const) {
  t.test(
    `${TRANSPORT}: with room for one, two senders take turns: nothing is lost, doubled or out of order`,
    async t => {
      const { sidecars, bob, device, join } = await start(t, { TRANSPORT, MAX_SENDER_CONNECTIONS: 1 })
      const senders = [await join('alice'), await join('carol')]
      const count = 15
      for (let n = 0; n < count; n++) {
        for (const [who, sender] of senders.entries()) sender.send(text(bob, `${who} ${n}`))
        await waitFor(async () => (await outcome(sidecars[0], 'delivered')) === 2 * n + 2, 'both have their outcome')
      }
      await device.received(2 * count)
      for (const who of senders.keys())
        t.strictSame(
          textsOf(device).filter(line => line.startsWith(`${who} `)),
          Array.from({ length: count }, (_, n) => `${who} ${n}`),
        )
      t.ok(((await closed(sidecars[1], 'evicted')) ?? 0) > 0, 'they have replaced each other')
      t.ok(((await open(sidecars[1])) ?? 0) <= 2)
    },
  )

  t.test(`${TRANSPORT}: a flood of two senders with room for one`, async t => {
    const { sidecars, bob, device, join } = await start(t, { TRANSPORT, MAX_SENDER_CONNECTIONS: 1 })
    const senders = [await join('alice'), await join('carol')]
    const count = 200
    for (let n = 0; n < count; n++) for (const [who, sender] of senders.entries()) sender.send(text(bob, `${who} ${n}`))
    await device.received(2 * count)
    for (const who of senders.keys())
      t.strictSame(
        textsOf(device).filter(line => line.startsWith(`${who} `)),
        Array.from({ length: count }, (_, n) => `${who} ${n}`),
      )
    await waitFor(async () => (await outcome(sidecars[0], 'delivered')) === 2 * count, 'each has its outcome')
  })

  t.test(
    `${TRANSPORT}: a sender that the app refuses is rejected, each message once; later it is asked again`,
    async t => {
      const { apps, sidecars, bob, device, join } = await start(t, { TRANSPORT })
      const alice = await join('alice')
      const app = apps[1] as App
      let refusing = true
      app.server.options.verifyClient = () => !refusing
      for (let n = 0; n < 10; n++) alice.send(text(bob, 'refused'))
      await waitFor(async () => (await outcome(sidecars[0], 'rejected')) === 10, 'they are rejected')
      t.ok(app.handshakes.length <= 3, 'the app is not asked for each')
      refusing = false
      await waitFor(async () => {
        alice.send(text(bob, 'taken'))
        return device.messages.length > 0
      }, 'the app takes it')
      t.ok(textsOf(device).every(line => line === 'taken'))
      t.equal(alice.socket.readyState, WebSocket.OPEN)
    },
  )
}

t.test('an app that leaves the handshake of a sender without an answer is asked once for a message', async t => {
  const { apps, sidecars, bob, join } = await start(t, { HANDSHAKE_TIMEOUT_MS: 1500 })
  const alice = await join('alice')
  const app = apps[1] as App
  const asked: ((accepted: boolean) => void)[] = []
  app.server.options.verifyClient = (_info: unknown, answer: (accepted: boolean) => void) => void asked.push(answer)
  alice.send(text(bob, 'never shown'))
  await waitFor(async () => (await outcome(sidecars[0], 'rejected')) === 1, 'it is rejected')
  t.equal(asked.length, 1)
  for (const answer of asked) answer(false)
})

t.test('a shadow ends with the connection that it stands for', async t => {
  const { apps, sidecars, bob, device, join } = await start(t, {})
  const alice = await join('alice')
  alice.send(text(bob, 'last words'))
  alice.socket.close()
  await device.received(1)
  await waitFor(async () => (await closed(sidecars[1], 'sender')) === 1, 'it is told')
  t.equal(apps[1]?.server.clients.size, 1, 'the app has only bob left')
})

for (const TRANSPORT of ['link', 'http'] as const)
  t.test(`${TRANSPORT}: so does the one on a third pod, which got the handshake with a copy`, async t => {
    const apps = [1, 2, 3].map(() => startApp(t, { onConnection: passOn }))
    const { sidecars, ownerOf } = await startStack(t, await Promise.all(apps), { sidecar: { TRANSPORT } })
    const [, second, third] = sidecars as [Running, Running, Running]
    const bob = userOn(ownerOf, 1, 'bob')
    const devices = [await connect(t, second.port, { user: bob }), await connect(t, third.port, { user: bob })]
    const alice = await connect(t, sidecars[0]?.port ?? 0, { user: userOn(ownerOf, 0, 'alice') })
    await waitFor(async () => {
      alice.send(text(bob, 'hello'))
      return devices.every(device => device.messages.length > 0)
    }, 'both devices get it')
    t.equal(await open(third), 1, 'as from the sender')
    alice.socket.close()
    for (const sidecar of [second, third])
      await waitFor(async () => (await closed(sidecar, 'sender')) === 1, 'it is told')
    t.equal(await open(third), 0)
  })

t.test('a shadow without a message for long is closed, and opened again by the next', async t => {
  const { sidecars, bob, device, join } = await start(t, { SENDER_IDLE_SECONDS: 1 })
  const alice = await join('alice')
  alice.send(text(bob, '1'))
  await device.received(1)
  await waitFor(async () => (await closed(sidecars[1], 'idle')) === 1, 'it is closed')
  alice.send(text(bob, '2'))
  await device.received(2)
  t.strictSame(textsOf(device), ['1', '2'])
})

t.test('a shadow that the app closes is opened again by a later message', async t => {
  const { sidecars, bob, device, join } = await start(t, {}, (socket, request, app) => {
    passOn(socket, request, app)
    if (isShadow(request)) socket.on('message', data => String(data).includes('bye') && socket.close())
  })
  const alice = await join('alice')
  alice.send(text(bob, 'bye'))
  await device.received(1)
  await waitFor(async () => (await closed(sidecars[1], 'app')) === 1, 'the app has closed it')
  await waitFor(() => {
    alice.send(text(bob, 'again'))
    return device.messages.length > 1
  }, 'a later one arrives')
  t.equal(alice.socket.readyState, WebSocket.OPEN)
})

t.test('sender-replies: drop keeps what the app answers from the sender', async t => {
  const { sidecars, bob, device, join } = await start(t, { SENDER_REPLIES: 'drop' }, (socket, request, app) => {
    passOn(socket, request, app)
    socket.on('message', () => socket.send('{"text":"ack"}'))
  })
  const alice = await join('alice')
  alice.send(text(bob, '1'))
  await device.received(1)
  const dropped = () => sidecars[1]?.metric('sender_replies_total', { outcome: 'dropped' })
  await waitFor(async () => (await dropped()) === 1, 'it is dropped')
  t.strictSame(alice.texts, [])
})

t.test(
  'a sender that does not read its answers holds up the app’s writing, and gets all of it when it reads',
  async t => {
    const count = 400
    const [written, last] = [Promise.withResolvers<WebSocket>(), 'x'.repeat(50_000)]
    const { sidecars, bob, device, join } = await start(
      t,
      { MAX_QUEUE_BYTES: 65_536, DELIVER_TIMEOUT_MS: 60_000 },
      (socket, request, app) => {
        passOn(socket, request, app)
        if (!isShadow(request)) return
        socket.once('message', () => {
          for (let n = 0; n < count; n++) socket.send(JSON.stringify({ text: `${n}`, last }))
          written.resolve(socket)
        })
      },
    )
    const alice = await join('alice')
    alice.socket.pause()
    alice.send(text(bob, 'go'))
    await device.received(1)
    const shadow = await written.promise
    let before = -1
    await waitFor(() => {
      const isStill = shadow.bufferedAmount === before
      before = shadow.bufferedAmount
      return isStill && before > 0
    }, 'the app cannot write any more')
    alice.socket.resume()
    await alice.received(count)
    t.strictSame(
      textsOf(alice),
      Array.from({ length: count }, (_, n) => String(n)),
    )
    await waitFor(
      async () => (await sidecars[1]?.metric('sender_replies_total', { outcome: 'delivered' })) === count,
      'each has its outcome',
    )
  },
)

t.test('what the app addresses on a shadow goes to that user, where the route is outbound too', async t => {
  const { bob, device, join } = await start(t, { ROUTE: 'both' }, (socket, request) => {
    if (isShadow(request))
      socket.on('message', () => socket.send(JSON.stringify({ recipientId: bob, text: 'by way of outbound' })))
  })
  const alice = await join('alice')
  alice.send(text(bob, '1'))
  await device.received(1)
  t.strictSame(textsOf(device), ['by way of outbound'])
  t.strictSame(alice.texts, [])
})

t.test('an app that takes a sender for another user than its own pod did does not get its messages', async t => {
  const sessions = new Map<string, string>()
  const userOf = ({ headers }: IncomingMessage) => sessions.get(headers.cookie ?? '') ?? ''
  const seen: string[] = []
  const apps = await Promise.all(
    [0, 1].map(async () => {
      const app = await startApp(t, {
        onConnection: (socket, request) => {
          const user = userOf(request)
          t.equal(request.headers['x-ws-operator-sender-user'], undefined, 'what is between sidecars')
          socket.on('message', data => seen.push(`${user}: ${data}`))
        },
      })
      app.server.on('headers', (lines, request) => lines.push(`ws-user-id: ${userOf(request)}`))
      return app
    }),
  )
  const { balancer, sidecars, ownerOf } = await startStack(t, apps)
  const [ann, bob] = [userOn(ownerOf, 0, 'ann'), userOn(ownerOf, 1, 'bob')]
  sessions.set('s=1', ann).set('s=2', bob)
  const sender = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'claimed'), headers: { cookie: 's=1' } })
  await connect(t, balancer.port, { user: bob, headers: { cookie: 's=2' } })
  sessions.set('s=1', 'eve')
  sender.send(JSON.stringify({ recipientId: bob }))
  await waitFor(
    async () => (await sidecars[0]?.metric('messages_routed_total', { outcome: 'rejected' })) === 1,
    'rejected',
  )
  t.strictSame(seen, [])
})
