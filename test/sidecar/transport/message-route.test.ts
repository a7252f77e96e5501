import fastify from 'fastify'
import t from 'tap'
import type { Standing } from '../../../sidecar/peers/peer-gate.ts'
import { encodeUsers } from '../../../sidecar/transport/announcement.ts'
import { messageRoute } from '../../../sidecar/transport/message-route.ts'
import type { Receiver } from '../../../sidecar/transport/transport.ts'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { membersFile, type Running, startSidecar } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

const post = async (
  sidecar: Running,
  body: Buffer | string,
  headers: Record<string, string> = {},
  path = '/message',
) => {
  const answer = await fetch(`http://127.0.0.1:${sidecar.port}${path}`, {
    method: 'POST',
    body,
    headers: { 'ws-user-id': 'bob', ...headers },
  })
  return {
    status: answer.status,
    error: answer.status === 204 ? undefined : (JSON.parse(await answer.text()).error as string),
  }
}
const text = (payload: string) => Buffer.concat([Buffer.of(1), Buffer.from(payload)])

t.test('delivers into the app’s connections of the user, or to the user’s clients', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile())
  const bob = await connect(t, sidecar.port, { user: 'bob' })

  t.strictSame(await post(sidecar, text('to the app')), { status: 204, error: undefined })
  t.strictSame(await post(sidecar, Buffer.of(2, 0, 255)), { status: 204, error: undefined })
  t.strictSame(
    app.received.map(({ data, binary }) => [data.toString('latin1'), binary]),
    [
      ['to the app', false],
      ['\0\xff', true],
    ],
  )
  t.strictSame(await post(sidecar, text('to the client'), { 'x-ws-operator-deliver': 'client' }), {
    status: 204,
    error: undefined,
  })
  await bob.received(1)
  t.strictSame(bob.texts, ['to the client'])
})

t.test('a user who is not connected here: 404', async t => {
  const sidecar = await startSidecar(t, 9, await membersFile())
  t.strictSame(await post(sidecar, text('x')), { status: 404, error: 'WSO_ERR_OFFLINE' })
})

t.test('bad input is refused with what is wrong, and touches nobody', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile(), { MAX_PAYLOAD_BYTES: 10 })
  const bob = await connect(t, sidecar.port, { user: 'bob' })
  const bad = { status: 400, error: 'WSO_ERR_BAD_MESSAGE' }
  t.strictSame(await post(sidecar, ''), bad, 'empty')
  t.strictSame(await post(sidecar, Buffer.of(8, 3, 232)), bad, 'opcode 8 would close the connection')
  t.strictSame(await post(sidecar, Buffer.of(9)), bad, 'a ping')
  t.strictSame(await post(sidecar, Buffer.of(1, 0xff)), bad, 'a text that is not UTF-8')
  t.strictSame(await post(sidecar, text('x'), { 'ws-user-id': '' }), bad, 'nobody')
  t.strictSame(await post(sidecar, text('x'), { 'x-ws-operator-deliver': 'pigeon' }), bad, 'delivered how')
  t.equal((await post(sidecar, text('x'.repeat(10)))).status, 204, 'the largest')
  t.equal((await post(sidecar, text('x'.repeat(11)))).status, 413, 'too large')
  t.equal(app.received.length, 1)
  t.equal(bob.socket.readyState, bob.socket.OPEN)
})

t.test('with a token, only who shows it may deliver', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile(), { TOKEN: 's3cret' })
  await connect(t, sidecar.port, { user: 'bob' })
  t.strictSame(await post(sidecar, text('x')), { status: 401, error: 'WSO_ERR_UNAUTHORIZED' })
  t.strictSame(await post(sidecar, text('x'), { authorization: 'Bearer s3cre' }), {
    status: 401,
    error: 'WSO_ERR_UNAUTHORIZED',
  })
  t.equal((await post(sidecar, text('x'), { authorization: 'Bearer s3cret' })).status, 204)
})

t.test('an app that does not read: 429, once its queue is full', async t => {
  const app = await startApp(t, { onConnection: socket => socket.pause() })
  const sidecar = await startSidecar(t, app.port, await membersFile(), { MAX_QUEUE_BYTES: 100_000 })
  await connect(t, sidecar.port, { user: 'bob' })
  const body = text('x'.repeat(1_000_000))
  const abort = new AbortController()
  t.teardown(() => abort.abort())
  // Those before wait until the app reads; the one that finds the queue full is refused at once.
  const statuses = Array.from({ length: 20 }, () =>
    fetch(`http://127.0.0.1:${sidecar.port}/message`, {
      method: 'POST',
      body,
      headers: { 'ws-user-id': 'bob' },
      signal: abort.signal,
    }).then(
      answer => answer.status,
      () => 0,
    ),
  )
  t.equal(
    await Promise.race(statuses.map(async status => ((await status) === 429 ? 429 : new Promise<number>(() => {})))),
    429,
  )
})

const order = (id: number, lane = 1) => ({
  'x-ws-operator-sender': 'pod-a',
  'x-ws-operator-message-id': String(id),
  'x-ws-operator-lane': String(lane),
})

t.test('what is older than what came after it in its lane is refused: its sender has given it up', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile())
  await connect(t, sidecar.port, { user: 'bob' })
  t.equal((await post(sidecar, text('2'), order(2))).status, 204)
  t.equal((await post(sidecar, text('1'), order(1))).status, 400)
  t.equal((await post(sidecar, text('other lane'), order(1, 2))).status, 204)
  t.equal((await post(sidecar, text('no lane'))).status, 204)
  t.strictSame(
    app.received.map(({ data }) => data.toString()),
    ['2', 'other lane', 'no lane'],
  )
  for (const bad of ['', 'x', '-1', '1.5', '4294967296'])
    t.strictSame(await post(sidecar, text('x'), { ...order(9), 'x-ws-operator-lane': bad }), {
      status: 400,
      error: 'WSO_ERR_BAD_MESSAGE',
    })
})

t.test('421: the user was announced at another member, is owned by one, or was here a moment ago', async t => {
  const app = await startApp(t)
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members)
  const send = (user: string) =>
    fetch(`http://127.0.0.1:${sidecar.port}/message`, {
      method: 'POST',
      body: text('x'),
      headers: { 'ws-user-id': user },
    }).then(({ status, headers }) => [status, headers.get('x-ws-operator-moved-to')])
  const bob = await connect(t, sidecar.port, { user: 'bob' })
  bob.socket.close()
  await bob.closed
  await waitFor(async () => (await sidecar.metric('users')) === 0, 'bob has left')
  t.strictSame(await send('bob'), [421, null])
  const announce = (body: string, headers: Record<string, string> = { 'x-ws-operator-member': '10.0.0.7:3000' }) =>
    fetch(`http://127.0.0.1:${sidecar.port}/message`, { method: 'PUT', body, headers }).then(({ status }) => status)
  t.equal(await announce('bob\nann'), 204)
  t.strictSame(await send('ann'), [421, null], 'by somebody who may become a member')
  await members.set('10.0.0.7:3000')
  await waitFor(async () => (await sidecar.metric('members')) === 1, 'it is one')
  t.strictSame(await send('bob'), [421, '10.0.0.7:3000'])
  t.strictSame(await send('ann'), [421, '10.0.0.7:3000'])
  t.equal(await announce('', {}), 400)
  t.equal(await announce('bob', {}), 400, 'whose they are must be said')
  t.equal(await announce('a\n\nb'), 400)
  t.equal(await announce('x'.repeat(65_537)), 413)
  t.strictSame(await send('cid'), [421, '10.0.0.7:3000'], 'the owner')
  await members.set(sidecar.name)
  await waitFor(async () => (await send('cid'))[0] === 404, 'this is the owner')
})

t.test(
  'a client of the balancer can neither deliver nor announce, also where its requests are not passed on',
  async t => {
    const app = await startApp(t)
    const sidecar = await startSidecar(t, app.port, await membersFile(), { PLAIN_HTTP: 'refuse' })
    await connect(t, sidecar.port, { user: 'bob' })
    const headers = { 'x-ws-operator-client-request': '1', 'x-ws-operator-member': 'a:1', 'ws-user-id': 'bob' }
    for (const method of ['POST', 'PUT']) {
      const answer = await fetch(`http://127.0.0.1:${sidecar.port}/message`, { method, body: text('x'), headers })
      t.equal(answer.status, 426, method)
    }
    t.equal(app.received.length, 0)
  },
)

t.test('a body has its room of the memory before it is read: where there is none, 503', async t => {
  const app = await startApp(t, { onConnection: () => {} })
  const sidecar = await startSidecar(t, app.port, await membersFile(), { MEMORY_BUDGET_BYTES: 2_000_000 })
  await connect(t, sidecar.port, { user: 'bob' })
  t.strictSame(await post(sidecar, text('x'.repeat(600_000))), { status: 503, error: 'WSO_ERR_NO_MEMORY' })
  t.equal((await post(sidecar, text('x'.repeat(100_000)))).status, 204)
  const messages = () => sidecar.metric('memory_used_bytes', { kind: 'messages' })
  await waitFor(async () => (await messages()) === 0, 'what was answered takes nothing')
})

t.test('who announces users is judged once, before the body is read', async t => {
  const judged: string[] = []
  const met: string[] = []
  const member = '10.0.0.7:8081'
  const gate = {
    isPeer: () => true,
    admit: async () => 'token' as const,
    recognize: async () => (judged.push('recognize') > 1 ? 'unknown' : 'token') as Standing,
    // As where the list of members has changed while the body came.
    proves: () => judged.push('proves') <= 2,
  }
  const inbox = { addVerified: (name: string) => met.push(name), announced: () => {} } as unknown as Receiver
  const app = fastify()
  t.teardown(() => app.close())
  await app.register(messageRoute, { inbox, gate, maxPayloadBytes: 1000 })
  const answer = await app.inject({
    method: 'PUT',
    url: '/message',
    headers: { 'x-ws-operator-member': member, 'content-type': 'text/plain' },
    payload: encodeUsers(['ann']),
  })
  t.equal(answer.statusCode, 204)
  t.strictSame(judged, ['recognize', 'proves'])
  t.strictSame(met, [member])
})
