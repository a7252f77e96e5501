import t from 'tap'
import type { WebSocket } from 'ws'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect } from '../../helpers/client.ts'
import { type Running, type Scope, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const FAST = { REHOME: 'auto', REBALANCE_DELAY_SECONDS: 0, MAX_MOVES_PER_SECOND: 1000, REHOME_LINGER_MS: 50 }

/** Two pods with an echo app each; `protocols`: the app chooses the first one that is offered. */
async function start(t: Scope, balancer: Record<string, string | number> = {}) {
  const echo = (socket: WebSocket) => socket.on('message', (data: Buffer) => socket.send(`${data}`))
  const apps = (await Promise.all([0, 1].map(() => startApp(t, { onConnection: echo })))) as [App, App]
  const stack = await startStack(t, apps, { balancer: { ...FAST, ...balancer } })
  return { ...stack, apps, sidecars: stack.sidecars as [Running, Running] }
}

const rehomes = (balancer: Running, reason: string, result: string) =>
  balancer.metric('rehomes_total', { reason, result })

async function speak(client: Client, text = 'hello'): Promise<void> {
  client.send(text)
  await client.received(1)
}

const drain = ({ service }: Running) => service.handOver?.(Date.now() + 10_000)

t.test('a client that has sent nothing is moved; one that has sent something has to connect again', async t => {
  const { balancer, sidecars, apps, ownerOf } = await start(t)
  const silent = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'silent') })
  const talking = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'talking') })
  await speak(talking)
  await drain(sidecars[0])
  t.strictSame(await talking.closed, { code: 1012, reason: 'service restart' })
  t.equal(await rehomes(balancer, 'drain', 'closed'), 1)
  await waitFor(async () => (await rehomes(balancer, 'drain', 'moved')) === 1, 'the other has moved')
  t.equal(apps[1].handshakes.length, 1, 'nothing was dialled for the one that was closed')
  await speak(silent)
  t.equal(silent.socket.readyState, 1)
})

t.test('the same when an app is killed, and for balance', async t => {
  const { balancer, apps, members, sidecars, ownerOf } = await start(t)
  const [silent, talking] = await Promise.all(
    ['silent', 'talking'].map(name => connect(t, balancer.port, { user: userOn(ownerOf, 0, name) })),
  )
  await speak(talking as Client)
  await apps[0].stop()
  t.equal((await (talking as Client).closed).code, 1012)
  await waitFor(async () => (await rehomes(balancer, 'crash', 'moved')) === 1, 'the other has moved')
  await members.set(sidecars[1].name)
  await waitFor(async () => (await balancer.metric('members')) === 1, 'one member is left')
  await speak(silent as Client)
  await startApp(t, { port: apps[0].port })
  await members.set(...sidecars.map(({ name }) => name))
  t.equal((await (silent as Client).closed).code, 1012, 'its owner is back')
  t.equal(await rehomes(balancer, 'rebalance', 'closed'), 1)
})

t.test(
  'a silent client of a protocol with sessions has to connect again, with the goodbye of its protocol',
  async t => {
    const { balancer, sidecars, ownerOf } = await start(t)
    const user = userOn(ownerOf, 0)
    const client = await connect(t, balancer.port, { user, protocols: ['actioncable-v1-json'] })
    await drain(sidecars[0])
    t.equal((await client.closed).code, 1012)
    t.strictSame(
      client.texts.map(text => JSON.parse(text)),
      [{ type: 'disconnect', reason: 'server_restart', reconnect: true }],
    )
  },
)

t.test('clients that have to connect again are not told all at once', async t => {
  const { balancer, sidecars, ownerOf } = await start(t, { MAX_MOVES_PER_SECOND: 5 })
  const users = Array.from({ length: 6 }, (_, n) => userOn(ownerOf, 0, `user-${n}`))
  const clients = await Promise.all(users.map(user => connect(t, balancer.port, { user })))
  for (const client of clients) await speak(client)
  const drained = drain(sidecars[0])
  await waitFor(async () => (await rehomes(balancer, 'drain', 'closed')) > 0, 'the first is told')
  t.ok((await balancer.metric('moves_waiting')) > 0, 'others wait')
  for (const { closed } of clients) t.equal((await closed).code, 1012)
  await drained
})

/** Moves a silent client to the second pod, whose app ends it with this code. */
async function rejected(t: Scope, code: number, stack: Awaited<ReturnType<typeof start>>, name: string) {
  const { balancer, sidecars, apps, members, ownerOf } = stack
  await members.set(...sidecars.map(({ name }) => name))
  await waitFor(async () => (await balancer.metric('members')) === 2, 'both are members')
  const before = await rehomes(balancer, 'rebalance', 'moved')
  // While the owner is away, the other pod has the client.
  await members.set(sidecars[0].name)
  await waitFor(async () => (await balancer.metric('members')) === 1, 'one is away')
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 1, name) })
  await members.set(...sidecars.map(({ name }) => name))
  await waitFor(
    async () => (await rehomes(balancer, 'rebalance', 'moved')) > before || client.socket.readyState !== 1,
    'it is moved',
  )
  if (client.socket.readyState === 1) for (const socket of apps[1].server.clients) socket.close(code)
  return client.closed
}

t.test('a new app that rejects a moved client: the client sees 1012; after three nobody is moved', async t => {
  const stack = await start(t)
  const { balancer, members, sidecars } = stack
  t.equal((await rejected(t, 1000, stack, 'meant')).code, 1000, 'no rejection')
  for (const code of [4401, 1011, 1002]) t.equal((await rejected(t, code, stack, `user-${code}`)).code, 1012, `${code}`)
  t.equal(await rehomes(balancer, 'rebalance', 'session_lost'), 3)
  t.equal(await balancer.metric('moves_suspended'), 1)
  t.equal(balancer.logs.filter(({ level }) => level === 'error').length, 1)
  t.equal((await rejected(t, 4000, stack, 'fourth')).code, 1012)
  t.equal(await rehomes(balancer, 'rebalance', 'session_lost'), 3, 'it was closed, not moved')
  // Every pod is replaced.
  const next = await start(t)
  await members.set(...next.sidecars.map(({ name }) => name))
  await waitFor(async () => (await balancer.metric('moves_suspended')) === 0, 'clients are moved again')
  t.notOk(sidecars.some(({ name }) => next.sidecars.some(other => other.name === name)))
})

t.test('a handshake that the app refuses is not repeated, and the drain does not wait for it', async t => {
  const { balancer, sidecars, apps, ownerOf } = await start(t)
  apps[1].server.shouldHandle = () => false
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await drain(sidecars[0])
  t.equal((await client.closed).code, 1012)
  t.equal(await rehomes(balancer, 'drain', 'refused'), 1)
  t.equal(apps[1].handshakes.length, 1)
  t.equal(await sidecars[0].metric('connections'), 0)
})

t.test('a handshake that the app may accept later is repeated', async t => {
  const { balancer, sidecars, apps, ownerOf } = await start(t)
  const statuses = [429, 503]
  const refuse = (_request: unknown, socket: { end(text: string): void }) => {
    const status = statuses.shift()
    if (status === undefined) return
    socket.end(`HTTP/1.1 ${status} Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`)
  }
  apps[1].server.shouldHandle = () => statuses.length === 0
  apps[1].http.prependListener('upgrade', refuse)
  const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0) })
  await drain(sidecars[0])
  await waitFor(async () => (await rehomes(balancer, 'drain', 'moved')) === 1, 'it has moved')
  t.strictSame(statuses, [])
  t.equal(client.socket.readyState, 1)
})
