import { createServer } from 'node:net'
import t, { type Test as Tap } from 'tap'
import { OUTCOMES, type Outcome } from '../../../sidecar/transport/outcome.ts'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { membersFile, type Running, startSidecar, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

/** Waits for the first outcome, and asserts that it is this one and the only one. */
async function outcome(t: Tap, sidecar: Running, expected: Outcome): Promise<void> {
  const counts = async () =>
    Object.fromEntries(
      await Promise.all(
        OUTCOMES.map(async name => [name, await sidecar.metric('messages_routed_total', { outcome: name })]),
      ),
    )
  await waitFor(async () => (await counts())[expected] > 0, `the outcome ${expected}`)
  t.equal((await counts())[expected], 1, expected)
}

const addressed = (recipientId: string, text = 'x') => JSON.stringify({ recipientId, text })

t.test('no member: no_owner', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile(), { RECIPIENT_WAIT_MS: 50 })
  const a = await connect(t, sidecar.port, { user: 'alice' })
  a.send(addressed('bob'))
  await outcome(t, sidecar, 'no_owner')
})

for (const [TRANSPORT, silence] of [
  ['http', 'timeout'],
  // Before a link's other end has said hello, nothing is sent.
  ['link', 'no_owner'],
] as const) {
  t.test(`${TRANSPORT}, an owner that takes connections and says nothing: ${silence}; the sender goes on`, async t => {
    const silent = createServer(() => {}).listen(0, '127.0.0.1')
    await new Promise(resolve => silent.once('listening', resolve))
    t.teardown(() => silent.close())
    const { port } = silent.address() as { port: number }
    const app = await startApp(t)
    const limits = { TRANSPORT, DELIVER_TIMEOUT_MS: 100, RECIPIENT_WAIT_MS: 50 }
    const sidecar = await startSidecar(t, app.port, await membersFile(`127.0.0.1:${port}`), limits)
    await waitFor(async () => (await sidecar.metric('members')) === 1, 'the member is known')
    const a = await connect(t, sidecar.port, { user: 'alice' })
    a.send(addressed('carol'))
    await outcome(t, sidecar, silence)
    a.send('still here')
    await a.received(1)
    t.strictSame(a.texts, ['still here'])
  })
}

t.test('an owner that nobody can reach: no_owner; the sender goes on', async t => {
  const app = await startApp(t)
  const sidecar = await startSidecar(t, app.port, await membersFile('127.0.0.1:1'), { RECIPIENT_WAIT_MS: 50 })
  await waitFor(async () => (await sidecar.metric('members')) === 1, 'the member is known')
  const a = await connect(t, sidecar.port, { user: 'alice' })
  a.send(addressed('bob'))
  await outcome(t, sidecar, 'no_owner')
  a.send('still here')
  await a.received(1)
  t.strictSame(a.texts, ['still here'])
})

t.test('a message that the recipient’s pod refuses for its size: too_large', async t => {
  const apps = [await startApp(t), await startApp(t)]
  const members = await membersFile()
  const small = await startSidecar(t, apps[0]?.port ?? 0, members, { MAX_PAYLOAD_BYTES: 100 })
  const large = await startSidecar(t, apps[1]?.port ?? 0, members)
  await members.set(small.name)
  await waitFor(async () => (await large.metric('members')) === 1, 'the member is known')
  await connect(t, small.port, { user: 'bob' })
  const a = await connect(t, large.port, { user: 'alice' })
  a.send(addressed('bob', 'x'.repeat(200)))
  await outcome(t, large, 'too_large')
})

t.test('a wrong token: rejected', async t => {
  const apps = [await startApp(t), await startApp(t)]
  const members = await membersFile()
  const strict = await startSidecar(t, apps[0]?.port ?? 0, members, { TOKEN: 'one' })
  const other = await startSidecar(t, apps[1]?.port ?? 0, members, { TOKEN: 'another' })
  await members.set(strict.name)
  await waitFor(async () => (await other.metric('members')) === 1, 'the member is known')
  await connect(t, strict.port, { user: 'bob' })
  const a = await connect(t, other.port, { user: 'alice' })
  a.send(addressed('bob'))
  await outcome(t, other, 'rejected')
})

t.test('a recipient whose app does not read holds up only those who write to it, and only them', async t => {
  const apps = [
    await startApp(t),
    await startApp(t, {
      onConnection: (socket, request) =>
        request.headers['ws-user-id']?.includes('slow')
          ? socket.pause()
          : socket.on('message', data => socket.send(String(data))),
    }),
  ]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, {
    sidecar: { DELIVER: 'app', MAX_QUEUE_BYTES: 65_536, DELIVER_TIMEOUT_MS: 60_000 },
  })
  const slow = userOn(ownerOf, 1, 'slow')
  const quick = userOn(ownerOf, 1, 'quick')
  await connect(t, balancer.port, { user: slow })
  const reader = await connect(t, balancer.port, { user: quick })
  const flooder = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'flooder') })
  const writer = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'writer') })
  const message = addressed(slow, 'x'.repeat(60_000))
  const total = 40 * 1024 * 1024
  for (let sent = 0; sent < total; sent += message.length) flooder.send(message)
  let last = -1
  await waitFor(() => {
    const stalled = flooder.socket.bufferedAmount === last
    last = flooder.socket.bufferedAmount
    return stalled && last > 0
  }, 'the flooder cannot write any more')
  writer.send(addressed(quick, 'hello'))
  await reader.received(1)
  t.match(reader.texts, [addressed(quick, 'hello')], 'somebody else’s message to another user arrives')
  t.equal(
    await sidecars[0]?.metric('messages_routed_total', { outcome: 'slow_consumer' }),
    0,
    'the flood waits, it is not thrown away',
  )
})

for (const TRANSPORT of ['link', 'http']) {
  t.test(`${TRANSPORT}: order across pods, and recipients that can be nobody’s name`, async t => {
    const apps = [await startApp(t), await startApp(t, { onConnection: () => {} })]
    const { balancer, sidecars, ownerOf } = await startStack(t, apps, { sidecar: { TRANSPORT } })
    const bob = userOn(ownerOf, 1, 'bob')
    await connect(t, balancer.port, { user: bob })
    const a = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'alice') })
    const odd = ['a\nb', '\ud800', 'x'.repeat(600)].map(prefix => userOn(ownerOf, 1, prefix))
    const texts = Array.from({ length: 300 }, (_, n) => addressed(bob, `${n} ${'x'.repeat((n * 7919) % 2000)}`))
    for (const text of [...odd.map(user => addressed(user)), ...texts]) a.send(text)
    const [near, far] = sidecars as [Running, Running]
    await waitFor(
      async () => (await near.metric('messages_routed_total', { outcome: 'delivered' })) === texts.length,
      'all have arrived',
    )
    t.strictSame(
      apps[1]?.received.map(({ data }) => data.toString()),
      texts,
    )
    t.equal(await near.metric('messages_routed_total', { outcome: 'rejected' }), odd.length)
    t.equal(await far.metric('links'), TRANSPORT === 'link' ? 1 : 0)
  })
}
