import type { Socket } from 'node:net'
import t from 'tap'
import type { ServerOptions, WebSocket } from 'ws'
import { attemptMs } from '../../../balancer/rehome/rehome.ts'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect, refusal } from '../../helpers/client.ts'
import { type Running, type Scope, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const pods = [0, 1, 2]

/** An app that says which pod it is, and to whom it has said goodbye. */
function named(pod: number, closes: number[][]) {
  return (socket: WebSocket) => {
    socket.on('message', (data: Buffer) => socket.send(`${pod} ${data}`))
    socket.on('close', code => closes[pod]?.push(code))
  }
}

async function start(t: Scope, balancer: Record<string, string | number> = {}) {
  const closes: number[][] = pods.map(() => [])
  const apps = await Promise.all(pods.map(pod => startApp(t, { onConnection: named(pod, closes) })))
  const stack = await startStack(t, apps, {
    balancer: { REBALANCE_DELAY_SECONDS: 0, MAX_MOVES_PER_SECOND: 1000, REHOME_LINGER_MS: 50, ...balancer },
  })
  return { ...stack, apps, closes }
}

const moved = (balancer: Running, reason: string, result = 'moved') =>
  balancer.metric('rehomes_total', { reason, result })

/** Sends something and waits for what comes back. */
async function ask(client: Client, text: string): Promise<string | undefined> {
  const before = client.messages.length
  client.send(text)
  await client.received(before + 1)
  return client.texts.at(-1)
}

/** Ends an app as a killed process does: nothing is said, and nobody listens any more. */
async function kill(app: App): Promise<void> {
  await app.stop()
}

t.test('a new member: only those users move whose owner it is, and nobody notices', async t => {
  const { balancer, members, sidecars, ownerOf, closes } = await start(t)
  await members.set(...sidecars.slice(0, 2).map(({ name }) => name))
  await waitFor(async () => (await balancer.metric('members')) === 2, 'the third is not known')
  const users = Array.from({ length: 30 }, (_, n) => `user-${n}`)
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  const before = await Promise.all(clients.map(client => ask(client, 'one')))
  await members.set(...sidecars.map(({ name }) => name))
  const newcomers = users.filter(user => ownerOf(user) === 2).length
  t.ok(newcomers > 0)
  await waitFor(async () => (await moved(balancer, 'rebalance')) === newcomers, 'they have moved')
  const after = await Promise.all(clients.map(client => ask(client, 'two')))
  for (const [n, user] of users.entries()) {
    t.equal(after[n], `${ownerOf(user)} two`, user)
    if (ownerOf(user) !== 2) t.equal(before[n], `${ownerOf(user)} one`)
    t.equal(clients[n]?.socket.readyState, 1)
  }
  await waitFor(() => [...(closes[0] ?? []), ...(closes[1] ?? [])].length === newcomers, 'the old pods saw them leave')
  t.ok(closes.flat().every(code => code === 1001))
})

t.test('an app that is killed: its users go to the next in their order, and back when it takes them again', async t => {
  const { balancer, apps, ownerOf, closes } = await start(t)
  const user = userOn(ownerOf, 1)
  const client = await connect(t, balancer.port, { user })
  t.equal(await ask(client, 'a'), '1 a')
  const { port } = apps[1] as App
  await kill(apps[1] as App)
  await waitFor(async () => (await moved(balancer, 'crash')) === 1, 'it has moved')
  const answer = await ask(client, 'b')
  t.match(answer, /^[02] b$/)
  await startApp(t, { port, onConnection: named(1, closes) })
  await waitFor(async () => (await moved(balancer, 'rebalance')) === 1, 'it has moved back', 20_000)
  t.equal(await ask(client, 'c'), '1 c')
  t.equal(client.socket.readyState, 1)
  t.equal(await balancer.metric('connections'), 1)
})

t.test('the app ends one connection by its own will: the client sees it as it is', async t => {
  const { balancer, apps, ownerOf } = await start(t)
  const [app] = apps as [App]
  for (const end of ['terminate', 'close'] as const) {
    const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0, end) })
    await waitFor(() => app.server.clients.size === 1, 'it is there')
    for (const socket of app.server.clients) end === 'terminate' ? socket.terminate() : socket.close(1001, 'you')
    t.equal((await client.closed).code, end === 'terminate' ? 1006 : 1001)
  }
  t.equal(await moved(balancer, 'crash'), 0)
})

t.test('no member takes a client in time: it is told to connect again', async t => {
  const { balancer, apps, ownerOf } = await start(t, { REHOME_TIMEOUT_MS: 500 })
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await Promise.all(apps.map(app => kill(app)))
  const { code, reason } = await client.closed
  t.strictSame([code, reason], [1012, 'service restart'])
  t.match(
    balancer.logs.filter(({ msg }) => msg === 'a client has to connect again'),
    [{ reason: 'crash', result: 'timeout' }],
  )
  t.equal(await moved(balancer, 'crash', 'timeout'), 1)
})

t.test('with REHOME=close, the client is told to connect again at once', async t => {
  const { balancer, apps, ownerOf } = await start(t, { REHOME: 'close' })
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await kill(apps[0] as App)
  t.equal((await client.closed).code, 1012)
  t.equal(await moved(balancer, 'crash', 'closed'), 1)
})

t.test('with REHOME=close, those that wait to be told are told, whatever the members do meanwhile', async t => {
  const policy = { REHOME: 'close', MAX_MOVES_PER_SECOND: 5, REBALANCE_DELAY_SECONDS: 0 }
  const { balancer, apps, members, sidecars, ownerOf } = await start(t, policy)
  const users = Array.from({ length: 6 }, (_, n) => userOn(ownerOf, 0, `close-${n}`))
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  await kill(apps[0] as App)
  await waitFor(async () => (await balancer.metric('moves_waiting')) > 0, 'some wait')
  await members.set(...sidecars.slice(0, 2).map(({ name }) => name))
  for (const { closed } of clients) t.equal((await closed).code, 1012)
})

t.test('an app that answers the handshake otherwise than the first one did', async t => {
  const choose = (pod: number) => ({ options: { handleProtocols: () => (pod === 0 ? 'one' : 'two') } })
  const apps = await Promise.all(pods.map(pod => startApp(t, choose(pod))))
  const { balancer, ownerOf } = await startStack(t, apps)
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0), protocols: ['one', 'two'] })
  t.equal(client.socket.protocol, 'one')
  await kill(apps[0] as App)
  t.equal((await client.closed).code, 1012)
  t.equal(await moved(balancer, 'crash', 'differs'), 1)
})

t.test('an app that answers the repeated handshake with an extension, whose state it has not got', async t => {
  const { balancer, apps, ownerOf } = await start(t)
  for (const app of apps.slice(1)) app.server.on('headers', lines => lines.push('Sec-WebSocket-Extensions: x'))
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await kill(apps[0] as App)
  t.equal((await client.closed).code, 1012)
  t.equal(await moved(balancer, 'crash', 'differs'), 1)
})

t.test('the first text message is repeated to the next upstream, where that is wanted', async t => {
  const { balancer, apps, ownerOf } = await start(t, { REHOME_HELLO: 'first-text' })
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await ask(client, 'I am Ann')
  await ask(client, 'other')
  await kill(apps[0] as App)
  await client.received(3)
  t.match(client.texts[2], /^[12] I am Ann$/)
})

t.test('a sidecar that drains: its clients are moved, new ones go elsewhere', async t => {
  const { balancer, sidecars, ownerOf } = await start(t)
  const users = Array.from({ length: 10 }, (_, n) => userOn(ownerOf, 0, `drain-${n}`))
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  await sidecars[0]?.service.handOver?.(Date.now() + 5000)
  t.equal(await moved(balancer, 'drain'), 10)
  t.equal(await sidecars[0]?.metric('connections'), 0)
  for (const client of clients) t.match(await ask(client, 'x'), /^[12] x$/)
  const late = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'late') })
  t.match(await ask(late, 'y'), /^[12] y$/)
})

t.test('a member that takes nobody is passed over by new clients', async t => {
  const { balancer, apps, ownerOf } = await start(t)
  await kill(apps[0] as App)
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  t.match(await ask(client, 'x'), /^[12] x$/)
})

for (const policy of ['on-reconnect', 'off'])
  t.test(`REBALANCE=${policy}: nobody is moved for balance`, async t => {
    const { balancer, members, sidecars, ownerOf } = await start(t, { REBALANCE: policy })
    const user = userOn(ownerOf, 2)
    await members.set(...sidecars.slice(0, 2).map(({ name }) => name))
    await waitFor(async () => (await balancer.metric('members')) === 2, 'the third is not known')
    const client = await connect(t, balancer.port, { user })
    const home = (await ask(client, 'a'))?.slice(0, 1)
    await members.set(...sidecars.map(({ name }) => name))
    await waitFor(async () => (await balancer.metric('members')) === 3, 'the third is known')
    const second = await connect(t, balancer.port, { user })
    t.equal(await ask(second, 'b'), policy === 'off' ? `${home} b` : '2 b')
    t.equal(await ask(client, 'c'), `${home} c`)
    client.socket.close()
    second.socket.close()
    await waitFor(async () => (await balancer.metric('connections')) === 0, 'both are gone')
    const third = await connect(t, balancer.port, { user })
    t.equal(await ask(third, 'd'), '2 d')
  })

t.test('an app that drops a handshake, or takes its time, is no reason to pass its pod over', async t => {
  const { balancer, sidecars, ownerOf, apps } = await start(t, { HANDSHAKE_TIMEOUT_MS: 2000, EXPOSE_TOPOLOGY: 'true' })
  const app = apps[0] as App
  const drop = (_request: unknown, socket: { destroy(): void }) => socket.destroy()
  app.http.prependListener('upgrade', drop)
  const user = userOn(ownerOf, 0)
  t.match(await refusal(t, balancer.port, { user }), { status: 502, body: /WSO_ERR_UPSTREAM_FAILED/ })
  app.http.off('upgrade', drop)
  const client = await connect(t, balancer.port, { user })
  t.equal(client.response.headers['x-ws-operator-upstream-host'], sidecars[0]?.name)
})

t.test('connections between balancer and sidecar that are cut within a message: no client loses its own', async t => {
  const large = 'x'.repeat(100_000)
  const halves = new Map<string, () => void>()
  const app = await startApp(t, {
    onConnection(socket, { headers }) {
      socket.on('message', (data: Buffer) => socket.send(`${data}`))
      // In pieces: what the cut leaves in the balancer is a part of a message, on whatever machine.
      halves.set(String(headers['ws-user-id']), () => socket.send(large, { fin: false }))
    },
  })
  const { balancer, sidecars } = await startStack(t, [app])
  const [sidecar] = sidecars as [Running]
  const cuttable = new Set<Socket>()
  sidecar.service.app.server.on('connection', (socket: Socket) => cuttable.add(socket))
  const users = Array.from({ length: 10 }, (_, n) => `user-${n}`)
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  await waitFor(() => halves.size === users.length, 'all are there')
  const held = () => balancer.metric('memory_used_bytes', { kind: 'held' })
  for (const send of halves.values()) send()
  await waitFor(async () => (await held()) >= users.length * large.length, 'the balancer has a part of each message')
  for (const socket of cuttable) socket.resetAndDestroy()
  await waitFor(async () => (await moved(balancer, 'crash')) === users.length, 'all have another connection')
  t.equal(await held(), 0)
  for (const client of clients) t.equal(await ask(client, 'still there'), 'still there')
  t.strictSame(
    clients.map(client => client.texts),
    users.map(() => ['still there']),
  )
})

/** Longer than a member has for a handshake by default. */
const SLOW_MS = 4000

t.test('an app that is slow with handshakes takes clients that are moved, where both times are longer', async t => {
  const closes: number[][] = [[], []]
  const slow = {
    verifyClient: (_info: unknown, answer: (accepted: boolean) => void) => setTimeout(answer, SLOW_MS, true),
  }
  const apps = [
    await startApp(t, { onConnection: named(0, closes) }),
    await startApp(t, { onConnection: named(1, closes), options: slow as ServerOptions }),
  ]
  const { balancer, ownerOf } = await startStack(t, apps, {
    balancer: { REHOME_TIMEOUT_MS: 30_000 },
  })
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  t.equal(await ask(client, 'one'), '0 one')
  await kill(apps[0]!)
  await waitFor(() => apps[1]?.server.clients.size === 1, 'the slow app has it', 40_000)
  t.equal(await ask(client, 'two'), '1 two', 'it has kept its socket')
})

t.test('how long one member has for a handshake', async t => {
  t.equal(attemptMs(10_000, 10_000), 3000, 'by default')
  t.equal(attemptMs(10_000, 1000), 3000, 'the time for all of them ends it sooner')
  t.equal(attemptMs(60_000, 60_000), 18_000)
  t.equal(attemptMs(10_000, 60_000), 10_000, 'never longer than any handshake')
  t.equal(attemptMs(500, 10_000), 500)
})
