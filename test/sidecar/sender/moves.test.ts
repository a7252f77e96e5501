import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect as dialTcp } from 'node:net'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import { parseMember } from '../../../lib/routing/members.ts'
import { MemberSet } from '../../../lib/routing/rendezvous.ts'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect } from '../../helpers/client.ts'
import { startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'
import { userRanked } from '../pod.ts'

type Connected = (socket: WebSocket, request: IncomingMessage, app: App) => void

const isShadow = ({ headers }: IncomingMessage): boolean => headers['x-ws-operator-shadow'] !== undefined

/** Passes what is written on to the recipient's sockets of this pod, and says so to the sender. */
const passOn: Connected = (socket, request, app) => {
  Object.assign(socket, { user: request.headers['ws-user-id'] })
  socket.on('message', (data: Buffer) => {
    const { recipientId, text } = JSON.parse(data.toString()) as { recipientId: string; text: string }
    for (const other of app.server.clients)
      if ((other as WebSocket & { user?: string }).user === recipientId) other.send(text)
    socket.send(`ack ${text}`)
  })
}

/** Three pods; a test says which of them are members. */
async function start(t: Test, TRANSPORT: string, connected: Connected = passOn, balancer: object = {}) {
  const apps = await Promise.all([0, 1, 2].map(() => startApp(t, { onConnection: connected })))
  const stack = await startStack(t, apps, {
    sidecar: { TRANSPORT },
    balancer: { REBALANCE_DELAY_SECONDS: 0, MAX_MOVES_PER_SECOND: 1000, REHOME_LINGER_MS: 50, ...balancer },
  })
  const names = stack.sidecars.map(({ name }) => name) as [string, string, string]
  return {
    ...stack,
    apps,
    names,
    join: (user: string): Promise<Client> => connect(t, stack.balancer.port, { user }),
    async know(...members: string[]) {
      await stack.members.set(...members)
      for (const program of [stack.balancer, ...stack.sidecars])
        await waitFor(async () => (await program.metric('members')) === members.length, 'the members are known')
    },
    async moved(count: number) {
      const total = async () => {
        const found = await stack.balancer.metrics.registry.getSingleMetric('ws_operator_rehomes_total')?.get()
        return found?.values
          .filter(({ labels }) => labels['result'] === 'moved')
          .reduce((sum, { value }) => sum + value, 0)
      }
      await waitFor(async () => (await total()) === count, `${count} have moved`)
    },
  }
}

const send = (client: Client, recipientId: string, text: string) => client.send(JSON.stringify({ recipientId, text }))

const shadowsOf = (app: App | undefined) => app?.handshakes.filter(isShadow).length

/** A client that does not end its side when the other one has ended, as one that is busy, or a balancer that first moves its client. */
async function connectHalfOpen(t: Test, port: number, user: string): Promise<{ ended: Promise<unknown> }> {
  const socket = dialTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  socket.write(
    `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nws-user-id: ${user}\r\n\r\n`,
  )
  await once(socket, 'data')
  socket.resume()
  return { ended: once(socket, 'end') }
}

for (const TRANSPORT of ['link', 'http']) {
  t.test(`${TRANSPORT}: a sender that is moved goes on with its shadow, and gets its answers where it is`, async t => {
    const { apps, sidecars, names, join, know, moved } = await start(t, TRANSPORT)
    const [A, B, C] = names
    const [alice, bob] = [userRanked(C, A, B), userRanked(B, A, C)]
    await know(A, B)
    const [sender, device] = [await join(alice), await join(bob)]
    send(sender, bob, '1')
    await sender.received(1)
    await know(A, B, C)
    await moved(1)
    for (const text of ['2', '3']) send(sender, bob, text)
    await sender.received(3)
    t.strictSame(sender.texts, ['ack 1', 'ack 2', 'ack 3'])
    t.strictSame(device.texts, ['1', '2', '3'])
    t.equal(shadowsOf(apps[1]), 1, 'the same one')
    sender.socket.close()
    const closed = () => sidecars[1]?.metric('sender_connections_closed_total', { reason: 'sender' })
    await waitFor(async () => (await closed()) === 1, 'it ends with the client, wherever that is')
  })

  t.test(
    `${TRANSPORT}: a sender that is moved to the recipient’s pod goes on with its own connection there`,
    async t => {
      const { sidecars, names, join, know, moved } = await start(t, TRANSPORT)
      const [A, B, C] = names
      const [alice, bob] = [userRanked(A, C, B), userRanked(C, B, A)]
      const [sender, device] = [await join(alice), await join(bob)]
      send(sender, bob, '1')
      await sender.received(1)
      await know(B, C)
      await moved(1)
      for (const text of ['2', '3']) send(sender, bob, text)
      await device.received(3)
      t.strictSame(device.texts, ['1', '2', '3'])
      const closed = () => sidecars[2]?.metric('sender_connections_closed_total', { reason: 'own' })
      await waitFor(async () => (await closed()) === 1, 'the shadow has gone')
      await sender.received(3)
      t.strictSame(sender.texts, ['ack 1', 'ack 2', 'ack 3'])
    },
  )

  t.test(`${TRANSPORT}: what the app reads late is not lost when the recipient is moved`, async t => {
    const resume = Promise.withResolvers<WebSocket>()
    let isPaused = false
    const { sidecars, names, join, know, moved } = await start(t, TRANSPORT, (socket, request, app) => {
      passOn(socket, request, app)
      if (!isShadow(request) || isPaused) return
      isPaused = true
      socket.pause()
      resume.resolve(socket)
    })
    const [A, B, C] = names
    const [alice, bob] = [userRanked(A, B, C), userRanked(C, B, A)]
    await know(A, B)
    const [sender, device] = [await join(alice), await join(bob)]
    send(sender, bob, '1')
    await waitFor(
      async () => (await sidecars[0]?.metric('messages_routed_total', { outcome: 'delivered' })) === 1,
      'it has its outcome',
    )
    await know(A, B, C)
    await waitFor(
      () => sidecars[1]?.logs.some(({ msg, user }) => msg === 'moved' && user === bob) ?? false,
      'it leaves',
    )
    const shadow = await resume.promise
    setTimeout(() => shadow.resume(), 300)
    await moved(1)
    send(sender, bob, '2')
    await device.received(2)
    t.strictSame(device.texts, ['1', '2'])
  })

  t.test(`${TRANSPORT}: an app that is killed rejects nothing: its users are found where they go`, async t => {
    const { apps, sidecars, names, join } = await start(t, TRANSPORT)
    const [A, B, C] = names
    const [alice, bob] = [userRanked(A, B, C), userRanked(B, C, A)]
    const [sender, device] = [await join(alice), await join(bob)]
    send(sender, bob, '0')
    await device.received(1)
    const stopped = apps[1]?.stop()
    const texts = Array.from({ length: 20 }, (_, n) => String(n + 1))
    for (const text of texts) send(sender, bob, text)
    await stopped
    await device.received(texts.length + 1)
    t.strictSame(device.texts, ['0', ...texts])
    t.equal(await sidecars[0]?.metric('messages_routed_total', { outcome: 'rejected' }), 0)
  })

  t.test(`${TRANSPORT}: where an app was killed, a client that is slow to go is nobody to deliver to`, async t => {
    const { apps, sidecars, names, join } = await start(t, TRANSPORT)
    const [A, B, C] = names
    const [alice, bob] = [userRanked(A, B, C), userRanked(B, C, A)]
    const sender = await join(alice)
    const slow = await connectHalfOpen(t, sidecars[1]?.port ?? 0, bob)
    send(sender, bob, '0')
    await sender.received(1)
    await apps[1]?.stop()
    await slow.ended
    send(sender, bob, '1')
    const device = await connect(t, sidecars[2]?.port ?? 0, { user: bob })
    await device.received(1)
    t.strictSame(device.texts, ['1'])
    t.equal(await sidecars[0]?.metric('messages_routed_total', { outcome: 'rejected' }), 0)
  })

  t.test(`${TRANSPORT}: devices on two pods that write and are written to: each has each once`, async t => {
    const { names, join, know } = await start(t, TRANSPORT, passOn, {
      REBALANCE: 'on-reconnect',
      EXPOSE_TOPOLOGY: 'true',
    })
    const [A, B, C] = names
    const [alice, bob] = [userRanked(A, B, C), userRanked(B, A, C)]
    const dora = userOn(name => (MemberSet.of([A, B].map(parseMember)).owner(name)?.name === B ? 1 : 0), 1, 'dora')
    await know(A)
    const [phone, sender] = [await join(bob), await join(alice)]
    await know(A, B)
    const [laptop, other] = [await join(bob), await join(dora)]
    t.equal(laptop.response.headers['x-ws-operator-upstream-host'], B)
    t.equal(other.response.headers['x-ws-operator-upstream-host'], B)
    for (let n = 0; n < 5; n++) {
      // On its other pod the phone has a shadow now, on which that app would show it what comes next.
      send(phone, dora, `phone ${n}`)
      await waitFor(() => phone.texts.includes(`ack phone ${n}`), 'it is answered')
      send(sender, bob, `to bob ${n}`)
      await waitFor(() => sender.texts.includes(`ack to bob ${n}`), 'it is answered')
      const has = (device: Client) => device.texts.includes(`to bob ${n}`)
      await waitFor(() => has(phone) && has(laptop), 'both devices have it')
    }
    for (const device of [phone, laptop])
      t.strictSame(
        device.texts.filter(text => text.startsWith('to bob')),
        [0, 1, 2, 3, 4].map(n => `to bob ${n}`),
      )
  })
}
