import type { Socket } from 'node:net'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import type { WebSocket } from 'ws'
import type { Bridge } from '../../../../lib/bridge/bridge.ts'
import { createConnectionId } from '../../../../lib/routing/connection-id.ts'
import { Allotment } from '../../../../lib/service/memory/allotment.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import { USER_HEADER } from '../../../../lib/service/names.ts'
import type { LocalMessage } from '../../../../sidecar/receive/local-message.ts'
import {
  SenderConnections,
  type SenderConnectionsOptions,
  type Wait,
} from '../../../../sidecar/receive/shadows/sender-connections.ts'
import { SHADOW_BYTES } from '../../../../sidecar/receive/shadows/shadow.ts'
import { A_MOMENT_AGO, type Answer, UNINTRODUCED } from '../../../../sidecar/transport/outcome.ts'
import type { Origin } from '../../../../sidecar/transport/transport.ts'
import { type AppOptions, startApp } from '../../../helpers/app.ts'
import { waitFor } from '../../../helpers/wait.ts'

const SELF = '10.0.0.1:3000'

const handshakeOf = (user: string) =>
  Buffer.from(
    `GET / HTTP/1.1\r\nHost: app\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${USER_HEADER}: ${user}\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
  )

/** A client of another pod. */
const client = (user: string): Origin => ({ id: createConnectionId(), handshake: handshakeOf(user) })

const message = (origin: Origin | undefined, text: string, more: Partial<LocalMessage> = {}): LocalMessage => ({
  user: 'bob',
  deliver: 'sender',
  message: { data: Buffer.from(text), binary: false },
  deliveredTo: undefined,
  origin,
  via: '10.0.0.2:3000',
  ...more,
})

interface Settings extends Partial<SenderConnectionsOptions> {
  readonly app?: AppOptions
  readonly memory?: Allotment
}

/** Sender connections into a real app. */
async function start(t: Test, { app: appOptions, memory = new Allotment(1 << 24), ...more }: Settings = {}) {
  const app = await startApp(t, { onConnection: () => {}, ...appOptions })
  const ended: string[] = []
  const replies: string[] = []
  const own = new Map<string, Bridge>()
  const metrics = new Metrics()
  const senders = new SenderConnections({
    self: SELF,
    target: {
      host: '127.0.0.1',
      port: app.port,
      maxMessageBytes: 1 << 20,
      memory,
      handshakeTimeoutMs: 60_000,
      maxQueueBytes: 1 << 16,
      maxHeadBytes: 1 << 14,
    },
    maxHandshakeBytes: 1 << 14,
    maxShadows: 100,
    idleMs: 60_000,
    serving: id => own.get(id),
    onReply: (shadow, { data }) => void replies.push(`${shadow.user}: ${data}`),
    onEnded: ({ id }) => void ended.push(id),
    metrics,
    ...more,
  })
  t.teardown(() => senders.stop())
  const taken: string[] = []
  const full: Answer[] = []
  const wait: Wait = async (routed, until, answer, then) => {
    full.push(answer)
    await until
    return then(routed)
  }
  const deliver = (routed: LocalMessage): Answer | Promise<Answer> =>
    senders.deliver(routed, () => void taken.push(routed.message.data.toString()), wait, deliver)
  const metric = async (name: string, label?: string) => {
    const found = await metrics.registry.getSingleMetric(`ws_operator_sender_connections${name}`)?.get()
    return found?.values.find(({ labels }) => label === undefined || Object.values(labels).includes(label))?.value
  }
  const texts = () => app.received.map(({ user, data }) => `${user}: ${data}`)
  return { app, senders, deliver, own, taken, full, ended, replies, metric, texts }
}

/** A clock that stands still until a test moves it on, which also lets the sweeps run. */
function stopClock(t: Test) {
  const clock = { now: 1_000_000 }
  const time = mock.method(performance, 'now', () => clock.now)
  mock.timers.enable({ apis: ['setInterval'] })
  t.teardown(() => {
    time.mock.restore()
    mock.timers.reset()
  })
  return (ms: number) => {
    clock.now += ms
    mock.timers.tick(ms)
  }
}

/** The connection of a client that is served here. */
const bridge = (texts: string[], more: object = {}) =>
  ({
    orphaned: false,
    fence: async () => true,
    send: async (side: string, { data }: LocalMessage['message']) => {
      texts.push(`${side} ${data}`)
      return 'sent'
    },
    ...more,
  }) as unknown as Bridge

t.test('messages of a client of another pod are written on one connection, opened with its handshake', async t => {
  const { app, senders, deliver, taken, full, metric, texts } = await start(t)
  const ann = client('ann')
  t.strictSame(await Promise.all([deliver(message(ann, '1')), deliver(message(ann, '2'))]), ['delivered', 'delivered'])
  t.equal(await deliver(message({ id: ann.id, handshake: undefined }, '3')), 'delivered', 'its handshake is known')
  await waitFor(() => app.received.length === 3, 'the app has all')
  t.strictSame(texts(), ['ann: 1', 'ann: 2', 'ann: 3'])
  t.strictSame(taken, ['1', '2', '3'])
  t.strictSame(full, [A_MOMENT_AGO, A_MOMENT_AGO], 'a message without room can be tried again')
  t.equal(app.handshakes.length, 1)
  t.equal(app.handshakes[0]?.headers['x-ws-operator-shadow'], 'true')
  t.strictSame([await metric(''), await metric('_opened_total', 'opened')], [1, 1])
  t.match(senders.originOf(ann.id), { id: ann.id, handshake: ann.handshake as Buffer })
  t.equal(senders.originOf('00'), undefined)
})

t.test('a message whose sender cannot be repeated reaches no app', async t => {
  const { app, deliver, metric } = await start(t)
  const { id, handshake } = client('ann')
  t.equal(await deliver(message(undefined, '1')), 'rejected')
  t.equal(await deliver(message({ id, handshake: undefined }, '2')), UNINTRODUCED, 'its handshake is asked for')
  const smuggled = Buffer.concat([handshake as Buffer, Buffer.from('GET /admin HTTP/1.1\r\n\r\n')])
  t.equal(await deliver(message({ id, handshake: smuggled }, '3')), 'rejected')
  t.equal(await metric(''), 0)
  t.strictSame(app.handshakes, [])
})

t.test('replies come with the connection that they are for', async t => {
  const { deliver, replies } = await start(t, {
    app: { onConnection: socket => socket.on('message', data => socket.send(`ack ${data}`)) },
  })
  await Promise.all([deliver(message(client('ann'), '1')), deliver(message(client('carl'), '2'))])
  await waitFor(() => replies.length === 2, 'both are answered')
  t.strictSame(replies.sort(), ['ann: ack 1', 'carl: ack 2'])
})

t.test('replies go to the member that last sent for the client', async t => {
  const { senders, deliver } = await start(t)
  const [ann, carl] = [client('ann'), client('carl')]
  const first = deliver(message(ann, '1', { via: '10.0.0.2:3000' }))
  t.equal(senders.home(ann.id), '10.0.0.2:3000', 'the first of them opens it')
  const moved = deliver(message(ann, '2', { via: '10.0.0.3:3000' }))
  t.equal(senders.home(ann.id), '10.0.0.3:3000', 'while it is being opened')
  await Promise.all([first, moved])
  await deliver(message(ann, '3', { via: '10.0.0.4:3000' }))
  t.equal(senders.home(ann.id), '10.0.0.4:3000')
  await deliver(message(ann, '4', { via: undefined }))
  t.equal(senders.home(ann.id), '10.0.0.4:3000', 'a member that is not named changes nothing')
  await deliver(message(carl, '5', { via: undefined }))
  t.equal(senders.home(carl.id), SELF)
  t.equal(senders.home('00'), undefined)
})

t.test('a sender that the app refuses is rejected without asking again for a while', async t => {
  const advance = stopClock(t)
  const { app, deliver, metric } = await start(t)
  app.server.options.verifyClient = () => false
  const ann = client('ann')
  t.equal(await deliver(message(ann, '1')), 'rejected')
  t.equal(await deliver(message(ann, '2')), 'rejected')
  t.equal(app.handshakes.length, 1)
  t.equal(await metric('_opened_total', 'failed'), 1)
  t.equal(await metric('_closed_total', 'failed'), undefined, 'one that never opened has not closed')
  app.server.options.verifyClient = () => true
  t.equal(await deliver(message(client('carl'), '3')), 'delivered', 'others are not affected')
  advance(1001)
  t.equal(await deliver(message(ann, '4')), 'delivered')
})

const close = (socket: WebSocket) => socket.close()
/** Something that is no frame. */
const breakOff = (socket: WebSocket) =>
  void (socket as unknown as { _socket: Socket })._socket.write(Buffer.of(0xf1, 0))

for (const [what, lifeMs, end, reason, answer] of [
  ['closes at once is not opened again at once', 0, close, 'app', 'rejected'],
  ['breaks at once is not either', 0, breakOff, 'broken', 'rejected'],
  ['closes soon after a message is not either', 500, close, 'app', 'rejected'],
  ['closes after it was of use is opened again', 1000, close, 'app', 'delivered'],
] as const)
  t.test(`a connection that the app ${what}`, async t => {
    const advance = stopClock(t)
    const { app, deliver, metric } = await start(t)
    const ann = client('ann')
    await deliver(message(ann, '1'))
    advance(lifeMs)
    await deliver(message(ann, '2'))
    for (const socket of app.server.clients) end(socket)
    await waitFor(async () => (await metric('_closed_total', reason)) === 1, 'it is closed')
    t.equal(await deliver(message(ann, 'next')), answer)
  })

t.test('a client that is served here has its messages written on its own connection', async t => {
  const { app, deliver, own, taken } = await start(t)
  const ann = client('ann')
  const written: string[] = []
  own.set(ann.id, bridge(written))
  t.equal(await deliver(message(ann, '1')), 'delivered')
  t.strictSame([written, taken], [['upstream 1'], ['1']])
  own.set(ann.id, bridge(written, { send: async () => 'full' }))
  t.equal(await deliver(message(ann, '2')), 'slow_consumer')
  own.set(ann.id, bridge(written, { send: async () => 'closed' }))
  t.equal(await deliver(message(ann, '3')), 'rejected')
  own.set(ann.id, bridge(written, { orphaned: true }))
  t.equal(await deliver(message(ann, '4')), A_MOMENT_AGO, 'it is about to be moved')
  t.strictSame([written, taken], [['upstream 1'], ['1']])
  t.strictSame(app.handshakes, [])
})

t.test('a client that arrives here gets its own connection once the app has read the earlier messages', async t => {
  const { app, deliver, own, metric } = await start(t)
  const ann = client('ann')
  await deliver(message(ann, '1'))
  const written: string[] = []
  own.set(
    ann.id,
    bridge(written, {
      send: async (_side: string, { data }: LocalMessage['message']) => {
        written.push(`${data}`, `${app.received.length} read, ${app.server.clients.size} open`)
        return 'sent'
      },
    }),
  )
  t.equal(await deliver(message(ann, '2')), 'delivered')
  t.strictSame(written, ['2', '1 read, 0 open'])
  t.equal(await metric('_closed_total', 'own'), 1)
})

t.test('a connection is used once the app has read what others have just written to its user', async t => {
  const { app, senders, deliver, texts } = await start(t)
  const { promise, resolve } = Promise.withResolvers<boolean>()
  let asked = 0
  senders.writers.note('ann', {
    fence: () => {
      asked++
      return promise
    },
  })
  const delivered = deliver(message(client('ann'), 'from ann'))
  t.equal(await deliver(message(client('carl'), 'from carl')), 'delivered', 'others do not wait')
  await waitFor(() => app.server.clients.size === 2 && asked === 1, 'the app has accepted it')
  await waitFor(() => app.received.length === 1, 'only the other one was written')
  t.strictSame(texts(), ['carl: from carl'])
  resolve(true)
  t.equal(await delivered, 'delivered')
})

t.test('writers to a recipient are remembered', async t => {
  const { senders, deliver } = await start(t)
  await deliver(message(client('ann'), '1', { user: 'bob' }))
  t.equal(senders.writers.of('bob').size, 1)
  t.equal(senders.writers.of('ann').size, 0)
})

t.test('all connections of a user can be closed, and no others', async t => {
  const { app, senders, deliver, metric } = await start(t)
  const phones = [client('ann'), client('ann')]
  for (const origin of [...phones, client('carl')]) await deliver(message(origin, '1'))
  t.equal(senders.closeOf('dora'), undefined)
  await senders.closeOf('ann')
  t.equal(await metric(''), 1)
  t.equal(await metric('_closed_total', 'device'), 2)
  await waitFor(() => app.server.clients.size === 1, 'the app has only the other one')
  t.equal(senders.closeOf('ann'), undefined, 'none is left')
})

t.test('the user is the one that the app names', async t => {
  const { app, senders, deliver } = await start(t)
  app.server.on('headers', headers => headers.push(`${USER_HEADER}: Ann`))
  await deliver(message(client('ann'), '1'))
  t.equal(senders.closeOf('ann'), undefined)
  t.ok(senders.closeOf('Ann'))
})

t.test('members are told of the end of a client, not of its move here', async t => {
  const { senders, deliver, ended, metric } = await start(t)
  const [ann, carl] = [client('ann'), client('carl')]
  for (const origin of [ann, carl]) await deliver(message(origin, '1'))
  senders.close(carl.id, 'own')
  senders.close(ann.id, 'sender')
  t.strictSame(ended, [], 'its last messages may still be read')
  senders.close('00', 'sender')
  await waitFor(async () => (await metric('')) === 0, 'both are closed')
  t.strictSame(ended, [ann.id])
})

t.test('with no room for another one, the least recently used connection is closed', async t => {
  const { senders, deliver, metric } = await start(t, { maxShadows: 2 })
  const [ann, carl, dora] = [client('ann'), client('carl'), client('dora')]
  for (const origin of [ann, carl, ann]) await deliver(message(origin, '1'))
  t.equal(await deliver(message(dora, '2')), 'delivered')
  await waitFor(async () => (await metric('_closed_total', 'evicted')) === 1, 'one is closed')
  const open = [ann, carl, dora].map(({ id }) => senders.originOf(id) !== undefined)
  t.strictSame(open, [true, false, true])
})

t.test('connections that are still opening are not closed for others, which are tried again later', async t => {
  const { app, deliver, metric } = await start(t, { maxShadows: 1 })
  const answers: ((accepted: boolean) => void)[] = []
  app.server.options.verifyClient = (_info: unknown, answer: (accepted: boolean) => void) => void answers.push(answer)
  const first = deliver(message(client('ann'), '1'))
  t.equal(await deliver(message(client('carl'), '2')), A_MOMENT_AGO)
  t.equal(await metric(''), 1)
  await waitFor(() => answers.length === 1, 'the app is asked')
  answers[0]?.(true)
  t.equal(await first, 'delivered')
})

t.test('never more than twice the limit, however slowly the app closes', async t => {
  const { app, deliver, metric } = await start(t, { maxShadows: 1 })
  await deliver(message(client('ann'), '1'))
  await waitFor(() => app.received.length === 1, 'it is read')
  // The app reads nothing more, so that it answers no close frame.
  for (const socket of app.server.clients) socket.pause()
  t.equal(await deliver(message(client('carl'), '2')), 'delivered')
  t.equal(await metric(''), 2)
  t.equal(await deliver(message(client('dora'), '3')), A_MOMENT_AGO)
  t.equal(await metric(''), 2)
})

t.test('with no memory for another one, one is closed and the message can be tried again', async t => {
  const [ann, carl] = [client('ann'), client('carl')]
  const memory = new Allotment(2 * SHADOW_BYTES)
  const { deliver, metric } = await start(t, { memory })
  t.equal(await deliver(message(ann, '1')), 'delivered')
  t.equal(await deliver(message(carl, '2')), A_MOMENT_AGO)
  await waitFor(async () => (await metric('_closed_total', 'evicted')) === 1, 'there is room')
  t.equal(memory.bytes, 0)
  t.equal(await deliver(message(carl, '2')), 'delivered')
})

t.test('a connection without messages for long is closed, one with messages is not', async t => {
  const advance = stopClock(t)
  const { senders, deliver, metric } = await start(t, { idleMs: 5000 })
  const [ann, carl] = [client('ann'), client('carl')]
  for (const origin of [ann, carl]) await deliver(message(origin, '1'))
  advance(3000)
  await deliver(message(ann, '2'))
  advance(3000)
  await waitFor(async () => (await metric('')) === 1, 'one is closed')
  t.ok(senders.originOf(ann.id))
  t.equal(await metric('_closed_total', 'idle'), 1)
})

t.test('all are closed at a shutdown; once stopped, nothing is delivered', async t => {
  const { app, senders, deliver, metric } = await start(t)
  for (const name of ['ann', 'carl']) await deliver(message(client(name), '1'))
  senders.closeAll('shutdown')
  await waitFor(async () => (await metric('_closed_total', 'shutdown')) === 2, 'both are closed')
  t.equal(await deliver(message(client('dora'), '2')), 'delivered', 'later messages open others')
  for (const socket of app.server.clients) socket.pause()
  senders.stop()
  await waitFor(async () => (await metric('')) === 0, 'an app that reads nothing does not hold them')
  t.equal(await deliver(message(client('ann'), '3')), 'rejected')
})
