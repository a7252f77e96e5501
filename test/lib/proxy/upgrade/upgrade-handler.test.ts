import t from 'tap'
import { serviceError } from '../../../../lib/service/http/errors.ts'
import { startApp } from '../../../helpers/app.ts'
import { connect, refusal } from '../../../helpers/client.ts'
import { askRaw } from '../../../helpers/plain.ts'
import { freePort } from '../../../helpers/stack.ts'
import { waitFor } from '../../../helpers/wait.ts'
import { planTo } from '../fixtures.ts'
import { startUpgrades } from './harness.ts'

t.test('a client is accepted with the answer of its upstream, and messages pass', async t => {
  const app = await startApp(t, { options: { handleProtocols: () => 'chat' } })
  const opened: unknown[] = []
  const { port, counted, connections } = await startUpgrades(t, app.port, {
    hooks: {
      plan: () => planTo(app.port, { set: { 'X-Set': 'ours' }, answer: { 'X-Answer': 'ours' } }),
      opened: (bridge, { answer }) => void opened.push([bridge.context, answer.status]),
    },
  })
  const client = await connect(t, port, { protocols: ['chat'], path: '/room?x=1' })
  t.match(client.response.headers, { 'sec-websocket-protocol': 'chat', 'x-answer': 'ours' })
  t.match(app.handshakes[0], { url: '/room?x=1', headers: { 'x-set': 'ours' } })
  client.send('hello')
  await client.received(1)
  t.strictSame([client.texts, opened, counted], [['hello'], [['context', 101]], ['accepted']])
  t.equal(connections.size, 0, 'it is no plain connection any more')
})

t.test('the refusal of an upstream passes to the client', async t => {
  const app = await startApp(t, { refuse: { status: 401, headers: { 'X-Why': 'token' }, body: 'no' } })
  const { port, counted } = await startUpgrades(t, app.port)
  t.match(await refusal(t, port), { status: 401, headers: { 'x-why': 'token' }, body: 'no' })
  t.strictSame(counted, ['refused: upstream'])
})

t.test('an upstream that cannot be reached is answered with an error of ours', async t => {
  const { port, counted } = await startUpgrades(t, await freePort())
  t.match(await refusal(t, port), { status: 502, body: /WSO_ERR_UPSTREAM_UNREACHABLE/ })
  t.strictSame(counted, ['refused: upstream_unreachable'])
})

t.test('a handshake that is no handshake of RFC 6455 reaches no upstream', async t => {
  const app = await startApp(t)
  const { port, counted } = await startUpgrades(t, app.port)
  const text =
    'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n\r\n'
  t.match(await askRaw(t, port, text), /^HTTP\/1\.1 426 [\s\S]*Sec-WebSocket-Version: 13/)
  t.match(await askRaw(t, port, text.replace('Host: x', 'Host: x\r\nHost: y')), /^HTTP\/1\.1 400 /)
  t.equal(app.handshakes.length, 0)
  t.equal(counted[0], 'refused: bad_handshake')
})

t.test('a handshake without room is refused before anything is dialled', async t => {
  const app = await startApp(t)
  const { port, memory, handler, bridges } = await startUpgrades(t, app.port, { settings: { MAX_CONNECTIONS: 1 } })
  const client = await connect(t, port)
  t.match(await refusal(t, port), { status: 503, body: /WSO_ERR_FULL/ })
  client.socket.close()
  await waitFor(() => bridges.all.size === 0, 'its place is free')
  memory.accounts.held.change(memory.bytes)
  t.match(await refusal(t, port), { status: 503, body: /WSO_ERR_NO_MEMORY/ })
  memory.accounts.held.set(0)
  handler.refuse()
  t.match(await refusal(t, port), { status: 503, body: /WSO_ERR_DRAINING/ })
  t.equal(app.handshakes.length, 1)
})

t.test('an upstream that was accepted by itself, and not by the program, sees its client go away', async t => {
  const closes: number[] = []
  const app = await startApp(t, { onConnection: socket => void socket.on('close', code => closes.push(code)) })
  const { port } = await startUpgrades(t, app.port, {
    hooks: {
      confirm() {
        throw serviceError('BAD_USER', 'it has none')
      },
    },
  })
  t.match(await refusal(t, port), { status: 502, body: /WSO_ERR_BAD_USER/ })
  await waitFor(() => closes.length === 1, 'it is told')
  t.strictSame(closes, [1001])
})

t.test('a handshake that the program claims is left alone', async t => {
  const app = await startApp(t)
  let claimed = 0
  const { port, counted } = await startUpgrades(t, app.port, {
    hooks: { claims: ({ url }) => url === '/own' && ++claimed > 0 },
  })
  await connect(t, port)
  void connect(t, port, { path: '/own' }).catch(() => {})
  await waitFor(() => claimed === 1, 'it is claimed')
  t.strictSame([counted, app.handshakes.length], [['accepted'], 1])
})
