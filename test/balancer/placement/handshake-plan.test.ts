import { UnsecuredJWT } from 'jose'
import t from 'tap'
import { type App, startApp } from '../../helpers/app.ts'
import { type Client, connect, refusal } from '../../helpers/client.ts'
import { ask } from '../../helpers/plain.ts'
import { type Scope, startStack, userOn } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const token = (sub: string) => `Bearer ${new UnsecuredJWT({ sub }).encode()}`

t.test('places that name different users: refused, counted, and the app hears nothing of it', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { ROUTING_KEY: 'header:ws-user-id,query:user,jwt:sub' } })
  const ambiguous = [
    { headers: { authorization: token('ann'), 'ws-user-id': 'bob' } },
    { path: '/?user=bob&user=mallory' },
    { path: '/?user=bob', headers: { authorization: token('ann') } },
    { headers: { 'ws-user-id': ['bob', 'mallory'] } },
  ]
  for (const request of ambiguous) {
    const { status, headers, body } = await refusal(t, balancer.port, request)
    t.match({ status, code: headers['x-ws-operator-error'], body }, { status: 400, code: 'WSO_ERR_AMBIGUOUS_USER' })
  }
  t.equal(await balancer.metric('rejected_total', { reason: 'ambiguous_user' }), ambiguous.length)
  for (const { path = '/', headers = {} } of ambiguous)
    t.equal((await ask(balancer.port, { path, headers })).status, 400)
  t.equal(app.handshakes.length, 0)
  const headers = { authorization: token('ann'), 'ws-user-id': 'ann' }
  await connect(t, balancer.port, { path: '/?user=ann&user=ann', headers })
  t.equal(app.handshakes[0]?.headers['ws-user-id'], 'ann')
})

t.test('what is no user names nobody, and a long name is its hash', async t => {
  const app = await startApp(t)
  const { balancer } = await startStack(t, [app], { balancer: { ROUTING_KEY: 'query:user,cookie:uid' } })
  const seen = async (path: string, uid = '') => {
    await connect(t, balancer.port, { path, headers: { cookie: `uid=${uid}` } })
    return app.handshakes.at(-1)?.headers['ws-user-id']
  }
  t.equal(await seen('/?user=a%00b', 'ann'), 'ann')
  t.equal(await seen('/?user=%FF', 'ann'), 'ann')
  t.equal(await seen('/?user=%FF'), undefined)
  t.equal(await seen('/?user=__proto__'), '__proto__')
  t.match(await seen(`/?user=${'x'.repeat(600)}`), /^sha256:[0-9a-f]{64}$/)
})

/** Pods whose apps say who the user is: the name in the handshake's cookie, which they have looked up. */
async function start(t: Scope, naming: (pod: number, session: string) => string[] = (_pod, session) => [session]) {
  const apps = await Promise.all(
    [0, 1].map(async pod => {
      const app = await startApp(t, {
        onConnection: socket => socket.on('message', data => socket.send(`${pod} ${data}`)),
      })
      app.server.on('headers', (lines, { headers }) => {
        for (const name of naming(pod, headers.cookie?.replace('session=', '') ?? '')) lines.push(`WS-User-Id: ${name}`)
      })
      return app
    }),
  )
  const stack = await startStack(t, apps, { balancer: { REBALANCE: 'off' }, sidecar: { RECIPIENT_WAIT_MS: 200 } })
  return { ...stack, apps }
}

const session = (user: string) => ({ headers: { cookie: `session=${user}` } })

async function echo(client: Client, text: string): Promise<string | undefined> {
  const before = client.messages.length
  client.send(text)
  await client.received(before + 1)
  return client.texts.at(-1)
}

t.test('the app corrects the user: they stay where they are, under their own name, and are found there', async t => {
  const { balancer, sidecars, ownerOf } = await start(t)
  const [claimed, ann, eve] = [userOn(ownerOf, 0, 'claimed'), userOn(ownerOf, 1, 'ann'), userOn(ownerOf, 1, 'eve')]
  const client = await connect(t, balancer.port, { user: claimed, ...session(ann) })
  t.equal(client.response.headers['ws-user-id'], undefined, 'the client is not told')
  t.equal(await echo(client, 'hi'), '0 hi')
  t.match(
    balancer.logs.find(({ msg }) => msg === 'connected'),
    { user: ann },
  )
  t.match(
    sidecars[0]?.logs.find(({ msg }) => msg === 'connected'),
    { user: ann },
  )
  const sender = await connect(t, balancer.port, { user: eve, ...session(eve) })
  const routed = async (outcome: string) => (await sidecars[1]?.metric('messages_routed_total', { outcome })) ?? 0
  sender.send(JSON.stringify({ recipientId: ann }))
  await waitFor(async () => (await routed('delivered')) === 1, 'the message has found them')
  sender.send(JSON.stringify({ recipientId: claimed }))
  await waitFor(async () => (await routed('offline')) === 1, 'nobody has the name that was claimed')
})

t.test('they are moved as whom they are', async t => {
  const { balancer, apps, ownerOf } = await start(t)
  const [claimed, ann] = [userOn(ownerOf, 0, 'claimed'), userOn(ownerOf, 1, 'ann')]
  const client = await connect(t, balancer.port, { user: claimed, ...session(ann) })
  t.equal(await echo(client, 'a'), '0 a')
  await (apps[0] as App).stop()
  await waitFor(
    async () => (await balancer.metric('rehomes_total', { reason: 'crash', result: 'moved' })) === 1,
    'moved',
  )
  t.equal(await echo(client, 'b'), '1 b')
  t.match(
    balancer.logs.find(({ msg }) => msg === 'moved'),
    { user: ann },
  )
})

for (const [what, other, result] of [
  ['another user', ['bob'], 'differs'],
  ['nobody', [], 'differs'],
  ['no user at all', [''], 'refused'],
] as const) {
  t.test(`an app that takes them for ${what} does not get them`, async t => {
    const { balancer, apps, ownerOf } = await start(t, (pod, session) => (pod === 0 ? [session] : [...other]))
    const client = await connect(t, balancer.port, { user: userOn(ownerOf, 0), ...session('ann') })
    await (apps[0] as App).stop()
    t.match(await client.closed, { code: 1012 })
    t.equal(await balancer.metric('rehomes_total', { reason: 'crash', result }), 1)
  })
}

t.test('an answer that names no user that can be, or two, is refused and said', async t => {
  const answers: string[][] = [['a\tb'], ['ann', 'bob'], ['']]
  const { balancer, sidecars } = await start(t, () => answers[0] ?? [])
  for (; answers.length > 0; answers.shift()) {
    const { status, headers } = await refusal(t, balancer.port, { user: 'ann' })
    t.match([status, headers['x-ws-operator-error']], [502, 'WSO_ERR_BAD_USER'])
  }
  t.ok(
    sidecars
      .flatMap(({ logs }) => logs)
      .some(({ code, reason }) => code === 'WSO_ERR_BAD_USER' && /ws-user-id/.test(`${reason}`)),
  )
})
