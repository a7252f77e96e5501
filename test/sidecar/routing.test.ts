import t from 'tap'
import { chat, startApp } from '../helpers/app.ts'
import { connect } from '../helpers/client.ts'
import { EXPOSED, startStack, userOn } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const addressed = (recipientId: string, text: string) => JSON.stringify({ recipientId, text })

t.test('a recipient that can be no user: rejected, and the connection goes on', async t => {
  const app = await startApp(t, { onConnection: chat })
  const { balancer, sidecars } = await startStack(t, [app])
  const [sidecar] = sidecars
  const client = await connect(t, balancer.port, { user: 'ann' })
  const odd = ['"bob\\u0000"', '"\\ud800"', '"\\udfff"', '" bob"']
  for (const recipient of odd) client.send(`{"recipientId":${recipient},"text":"hello"}`)
  const rejected = () => sidecar!.metric('messages_routed_total', { outcome: 'rejected' })
  await waitFor(async () => (await rejected()) === odd.length, 'each is rejected')
  client.send('{"__proto__":{"recipientId":"bob"},"constructor":1}')
  await waitFor(() => app.received.length === 1, 'what names no recipient is the app’s')
  t.equal(client.socket.readyState, client.socket.OPEN)
})

t.test('a message to a user on another pod goes into that pod’s app on a connection of its sender', async t => {
  const apps = [await startApp(t, { onConnection: chat }), await startApp(t, { onConnection: chat })]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, EXPOSED)
  const [alice, bob] = [userOn(ownerOf, 0, 'alice'), userOn(ownerOf, 1, 'bob')]
  const a = await connect(t, balancer.port, { user: alice })
  const b = await connect(t, balancer.port, { user: bob })
  t.equal(a.response.headers['x-ws-operator-upstream-host'], sidecars[0]?.name)
  t.equal(b.response.headers['x-ws-operator-upstream-host'], sidecars[1]?.name)

  a.send(addressed(bob, 'hello'))
  await b.received(1)
  t.strictSame(b.texts, [addressed(bob, 'hello')], 'byte for byte what was sent')
  t.strictSame(apps[0]?.received, [], 'the sender’s app never sees it')
  t.equal(apps[1]?.received[0]?.user, alice, 'it came in on a connection of the sender')
  await waitFor(
    async () => (await sidecars[0]?.metric('messages_routed_total', { outcome: 'delivered' })) === 1,
    'the outcome is counted',
  )
})

t.test('a message to somebody on the same pod goes up the sender’s own connection', async t => {
  const app = await startApp(t, { onConnection: chat })
  const { balancer, sidecars } = await startStack(t, [app])
  const a = await connect(t, balancer.port, { user: 'alice' })
  const b = await connect(t, balancer.port, { user: 'bob' })
  a.send(addressed('bob', 'near'))
  await b.received(1)
  t.equal(app.received[0]?.user, 'alice')
  t.equal(app.handshakes.length, 2, 'no other connection is made for it')
  t.equal(await sidecars[0]?.metric('messages_routed_total', { outcome: 'delivered' }), 1)
})

t.test('everything that is not addressed to somebody else passes through untouched', async t => {
  const app = await startApp(t)
  const { balancer, sidecars } = await startStack(t, [app])
  const a = await connect(t, balancer.port, { user: 'alice' })
  const texts = [
    'not JSON',
    '',
    '{"recipientId":42}',
    '["recipientId"]',
    '{"recipientId":""}',
    '{"recipientId":null}',
    '{"recipientId": "bob"',
    '{"other":{"recipientId":"bob"}}',
    'null',
    ' {"recipientId" : "alice" , "text":"to myself, spaces kept"} ',
    '{"text":"\\"recipientId\\""}',
  ]
  for (const text of texts) a.send(text)
  a.send(Buffer.from('{"recipientId":"bob"}'))
  a.send(Buffer.from([0, 255, 254, 10, 0]))
  await a.received(texts.length + 2)
  t.strictSame(a.texts, texts)
  t.strictSame(
    a.messages.slice(texts.length).map(({ data, binary }) => [binary, data.toString('hex')]),
    [
      [true, Buffer.from('{"recipientId":"bob"}').toString('hex')],
      [true, '00fffe0a00'],
    ],
  )
  t.equal(await sidecars[0]?.metric('messages_routed_total', { outcome: 'delivered' }), 0)
})

t.test('an absent recipient closes nobody’s connection and is counted', async t => {
  const apps = [await startApp(t), await startApp(t)]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps, { sidecar: { RECIPIENT_WAIT_MS: 50 } })
  const a = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'alice') })
  a.send(addressed(userOn(ownerOf, 0, 'ghost'), 'same pod'))
  a.send(addressed(userOn(ownerOf, 1, 'ghost'), 'other pod'))
  await waitFor(
    async () => (await sidecars[0]?.metric('messages_routed_total', { outcome: 'offline' })) === 2,
    'both are counted',
  )
  a.send('still here')
  await a.received(1)
  t.strictSame(a.texts, ['still here'])
})

t.test('order is kept for each sender and recipient, across pods', async t => {
  const apps = [await startApp(t, { onConnection: chat }), await startApp(t, { onConnection: chat })]
  const { balancer, ownerOf } = await startStack(t, apps)
  const senders = [userOn(ownerOf, 0, 'a'), userOn(ownerOf, 1, 'b')]
  const recipients = [userOn(ownerOf, 0, 'x'), userOn(ownerOf, 1, 'y')]
  const from = await Promise.all(senders.map(user => connect(t, balancer.port, { user })))
  const to = await Promise.all(recipients.map(user => connect(t, balancer.port, { user })))
  const count = 200
  for (let n = 0; n < count; n++) {
    for (const [s, sender] of from.entries())
      for (const recipient of recipients) sender.send(addressed(recipient, `${s} ${n}`))
  }
  for (const recipient of to) {
    await recipient.received(count * senders.length)
    for (const s of senders.keys()) {
      const seen = recipient.texts.map(text => JSON.parse(text).text as string).filter(text => text.startsWith(`${s} `))
      t.strictSame(
        seen,
        Array.from({ length: count }, (_, n) => `${s} ${n}`),
        `sender ${s}`,
      )
    }
  }
})

t.test('a user with several connections gets an addressed message on each; closing one leaves the others', async t => {
  const apps = [await startApp(t), await startApp(t, { onConnection: chat })]
  const { balancer, sidecars, ownerOf } = await startStack(t, apps)
  const bob = userOn(ownerOf, 1, 'bob')
  const a = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'alice') })
  const first = await connect(t, balancer.port, { user: bob })
  const second = await connect(t, balancer.port, { user: bob })
  t.equal(await sidecars[1]?.metric('users'), 1, 'one user')
  a.send(addressed(bob, 'both'))
  await Promise.all([first.received(1), second.received(1)])
  t.equal(apps[1]?.received.length, 1, 'the app has it once')
  second.socket.close()
  await second.closed
  await waitFor(async () => (await sidecars[1]?.metric('connections')) === 1, 'the other one is left')
  a.send(addressed(bob, 'one'))
  await first.received(2)
  t.strictSame(first.texts, [addressed(bob, 'both'), addressed(bob, 'one')])
})

t.test('deliver: client goes straight to the recipient’s clients', async t => {
  const apps = [await startApp(t), await startApp(t)]
  const { balancer, ownerOf } = await startStack(t, apps, { sidecar: { DELIVER: 'client' } })
  const bob = userOn(ownerOf, 1, 'bob')
  const a = await connect(t, balancer.port, { user: userOn(ownerOf, 0, 'alice') })
  const b = await connect(t, balancer.port, { user: bob })
  a.send(addressed(bob, 'straight'))
  await b.received(1)
  t.strictSame(b.texts, [addressed(bob, 'straight')])
  t.strictSame(apps[1]?.received, [], 'the app does not see it')
})

t.test(
  'route: outbound sends what the app writes with a recipient to that user’s clients, and lets the client’s messages pass',
  async t => {
    const apps = [await startApp(t), await startApp(t)]
    const { balancer, ownerOf } = await startStack(t, apps, { sidecar: { ROUTE: 'outbound' } })
    const [alice, bob] = [userOn(ownerOf, 0, 'alice'), userOn(ownerOf, 1, 'bob')]
    const a = await connect(t, balancer.port, { user: alice })
    const b = await connect(t, balancer.port, { user: bob })
    a.send(addressed(bob, 'echoed by my app'))
    await b.received(1)
    t.strictSame(b.texts, [addressed(bob, 'echoed by my app')])
    t.equal(apps[0]?.received.length, 1, 'the sender’s own app had it first')
    a.send(addressed(alice, 'mine'))
    await a.received(1)
    t.strictSame(a.texts, [addressed(alice, 'mine')], 'addressed to oneself: it stays on the connection')
  },
)

t.test('another recipient field', async t => {
  const app = await startApp(t, { onConnection: socket => socket.on('message', data => socket.send(`app: ${data}`)) })
  const { balancer } = await startStack(t, [app], { sidecar: { DELIVER: 'app', RECIPIENT_FIELD: 'to "you"' } })
  const a = await connect(t, balancer.port, { user: 'alice' })
  const b = await connect(t, balancer.port, { user: 'bob' })
  const text = JSON.stringify({ 'to "you"': 'bob' })
  a.send(text)
  await b.received(1)
  t.strictSame(b.texts, [`app: ${text}`])
  a.send(addressed('bob', 'not addressed here'))
  await a.received(1)
  t.strictSame(a.texts, [`app: ${addressed('bob', 'not addressed here')}`])
})

t.test('a connection without a user can write to others and cannot be addressed', async t => {
  const app = await startApp(t, { onConnection: chat })
  const { balancer, sidecars } = await startStack(t, [app])
  const nobody = await connect(t, balancer.port)
  const bob = await connect(t, balancer.port, { user: 'bob' })
  t.equal(app.handshakes[0]?.headers['ws-user-id'], undefined)
  nobody.send(addressed('bob', 'from nobody'))
  await bob.received(1)
  t.equal(await sidecars[0]?.metric('users'), 1)
})
