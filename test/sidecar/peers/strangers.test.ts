import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { encodeControlPing, formatSecret } from '../../../lib/rehome/control-pings.ts'
import { CONTROL_HEADER, LINK_PROTOCOL, MEMBER_HEADER, SENDER_HEADER } from '../../../lib/service/names.ts'
import { startApp } from '../../helpers/app.ts'
import { connect } from '../../helpers/client.ts'
import { ask } from '../../helpers/plain.ts'
import { membersFile, startSidecar } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

/** Requests say where they come from: no test machine has such addresses. */
const FROM = 'x-test-from'
const addressOf = ({ headers, socket }: IncomingMessage) => String(headers[FROM] ?? socket.remoteAddress)
const STRANGER = '10.9.9.9'
const MEMBER = '10.0.0.2'

/** A sidecar whose app answers plain requests, and a trap that counts who dials it. */
async function start(t: Test, env: Record<string, string> = {}) {
  const app = await startApp(t, { onConnection: () => {} })
  const plain: string[] = []
  app.http.on('request', (request, response) => {
    plain.push(`${request.method} ${request.url}`)
    response.writeHead(299).end('the app')
  })
  const members = await membersFile()
  const sidecar = await startSidecar(t, app.port, members, { RECIPIENT_WAIT_MS: 0, ...env }, addressOf)
  const know = async (...names: string[]) => {
    await members.set(sidecar.name, ...names)
    await waitFor(async () => (await sidecar.metric('members')) === names.length + 1, 'the members are known')
  }
  await know()
  let dialled = 0
  const trap = createTcpServer(socket => {
    dialled++
    socket.destroy()
  })
  await once(trap.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => trap.close())
  const trapName = `127.0.0.1:${(trap.address() as AddressInfo).port}`
  /** Somebody writes to bob, and the message has its outcome. */
  const write = async () => {
    const outcomes = async () => {
      const { values = [] } =
        (await sidecar.metrics.registry.getSingleMetric('ws_operator_messages_routed_total')?.get()) ?? {}
      return values.reduce((sum, { value }) => sum + value, 0)
    }
    const before = await outcomes()
    const ann = await connect(t, sidecar.port, { user: 'ann' })
    ann.send(JSON.stringify({ recipientId: 'bob' }))
    await waitFor(async () => (await outcomes()) > before, 'it has its outcome')
  }
  const announce = (from: string, member: string, headers: Record<string, string> = { [SENDER_HEADER]: 'x' }) =>
    ask(sidecar.port, {
      method: 'PUT',
      path: '/message',
      headers: { [FROM]: from, [MEMBER_HEADER]: member, ...headers },
      body: Buffer.from('bob'),
    })
  return { app, plain, sidecar, know, trapName, dialled: () => dialled, write, announce }
}

t.test('who is no member and shows no token gets what a client gets, on any path', async t => {
  const { app, plain, sidecar, announce } = await start(t)
  const bob = await connect(t, sidecar.port, { user: 'bob' })
  const headers = { [FROM]: STRANGER, 'ws-user-id': 'bob' }
  const posted = await ask(sidecar.port, { method: 'POST', path: '/message', headers, body: Buffer.from('\u0001hi') })
  t.match(posted, { status: 299, body: 'the app' })
  t.match(await announce(STRANGER, 'evil.example:80', {}), { status: 299 })
  t.strictSame(plain, ['POST /message', 'PUT /message'])
  const socket = new WebSocket(`ws://127.0.0.1:${sidecar.port}/message`, LINK_PROTOCOL, {
    headers: { [FROM]: STRANGER },
  })
  t.teardown(() => socket.terminate())
  await once(socket, 'open')
  t.equal(app.handshakes.at(-1)?.url, '/message', 'the app’s, and no link')
  t.equal(await sidecar.metric('links'), 0)
  t.strictSame(bob.texts, [])
  t.strictSame(app.received, [])
})

t.test('who calls itself a sidecar and is no member delivers nothing, and opens no link', async t => {
  const { app, sidecar } = await start(t)
  await connect(t, sidecar.port, { user: 'bob' })
  const headers = {
    [FROM]: STRANGER,
    'ws-user-id': 'bob',
    [SENDER_HEADER]: 'x',
    'x-ws-operator-message-id': '1',
    'x-ws-operator-lane': '1',
  }
  const send = (from: string) =>
    ask(sidecar.port, {
      method: 'POST',
      path: '/message',
      headers: { ...headers, [FROM]: from },
      body: Buffer.from('\u0001hi'),
    })
  t.match(await send(STRANGER), { status: 503, headers: { 'x-ws-operator-error': 'WSO_ERR_UNKNOWN_PEER' } })
  const link = new WebSocket(`ws://127.0.0.1:${sidecar.port}/message`, LINK_PROTOCOL, {
    headers: { [FROM]: STRANGER, [SENDER_HEADER]: 'x', [MEMBER_HEADER]: `${STRANGER}:3000` },
  })
  link.on('error', () => {})
  const [, answer] = (await once(link, 'unexpected-response')) as [unknown, IncomingMessage]
  t.equal(answer.statusCode, 503)
  link.terminate()
  t.strictSame(app.received, [])
  t.equal(await sidecar.metric('peers_refused_total', { reason: 'unknown_peer' }), 2)
})

t.test('refused again and again: each time is counted, one line is logged, without a stack', async t => {
  const open = await start(t)
  const closed = await start(t, { TOKEN: 's3cret' })
  const claim = (name: string) => ({ 'ws-user-id': 'bob', [SENDER_HEADER]: 'x', [MEMBER_HEADER]: name })
  const send = (port: number, headers: Record<string, string>) =>
    ask(port, { method: 'POST', path: '/message', headers, body: Buffer.from('\u0001hi') })
  for (let n = 0; n < 20; n++) {
    const wrong = { ...claim(closed.sidecar.name), authorization: 'Bearer wrong' }
    t.match(await send(closed.sidecar.port, wrong), { status: 401, body: /WSO_ERR_UNAUTHORIZED/ })
    t.match(await send(open.sidecar.port, { ...claim(`${STRANGER}:3000`), [FROM]: STRANGER }), { status: 503 })
  }
  t.equal(await closed.sidecar.metric('peers_refused_total', { reason: 'wrong_token' }), 20)
  t.equal(await open.sidecar.metric('peers_refused_total', { reason: 'unknown_peer' }), 20)
  const lines = [open, closed].map(({ sidecar }) => sidecar.logs.filter(({ msg }) => msg === 'request failed'))
  t.match(lines, [[{ level: 'warn', code: 'WSO_ERR_UNKNOWN_PEER', path: '/message' }], []])
  t.equal(lines.flat().length, 1, 'the number of the others is in the next line')
  t.notMatch(JSON.stringify([open.sidecar.logs, closed.sidecar.logs]), /s3cret|"stack"/)
})

for (const TRANSPORT of ['link', 'http'])
  t.test(`${TRANSPORT}: nobody is dialled because a stranger, or another member, says that it has a user`, async t => {
    const { know, announce, dialled, trapName, write } = await start(t, { TRANSPORT })
    t.match(await announce(STRANGER, trapName), { status: 400 }, 'not its address')
    await know(`${MEMBER}:3000`)
    t.match(await announce(MEMBER, trapName), { status: 400 }, 'nor a member’s')
    t.match(await announce('127.0.0.1', trapName), { status: 204 }, 'what cannot be told is remembered')
    await write()
    t.equal(dialled(), 0)
    await know(`${MEMBER}:3000`, trapName)
    await write()
    t.ok(dialled() > 0, 'and believed once it is a member')
  })

t.test('a move that a client has made up concerns its own connection, and no host that is no member', async t => {
  const { sidecar, dialled, trapName, write } = await start(t)
  const bob = await connect(t, sidecar.port, { user: 'bob' })
  const move = async (user: string) => {
    const secret = randomBytes(16)
    const eve = await connect(t, sidecar.port, { user, headers: { [CONTROL_HEADER]: formatSecret(secret) } })
    const pongs = once(eve.socket, 'pong')
    for (const type of ['drain', 'ended', 'take', 'stay'] as const) eve.socket.ping(encodeControlPing(secret, { type }))
    eve.socket.ping(encodeControlPing(secret, { type: 'move', member: trapName }))
    await pongs
    await waitFor(() => sidecar.logs.some(({ msg, user: moved }) => msg === 'moved' && moved === user), 'it is moved')
  }
  await move('eve')
  const before = await sidecar.metric('messages_routed_total', { outcome: 'delivered' })
  await write()
  t.equal(await sidecar.metric('messages_routed_total', { outcome: 'delivered' }), before + 1, 'bob is where he was')
  t.equal(bob.socket.readyState, WebSocket.OPEN)
  await move('bob')
  await write()
  t.equal(dialled(), 0, 'also under his name')
})

t.test('a peer that does not answer as a sidecar does is no target of a request', async t => {
  const { sidecar, announce, write } = await start(t)
  const requests: string[] = []
  const host = createServer((request, response) => {
    requests.push(String(request.url))
    response.end()
  })
  await once(host.listen(0, '127.0.0.1'), 'listening')
  t.teardown(() => host.close())
  await announce('127.0.0.1', `127.0.0.1:${(host.address() as AddressInfo).port}`)
  await write()
  t.strictSame(requests, [])
  t.equal(await sidecar.metric('user_locations'), 0)
})
