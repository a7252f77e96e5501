import t, { type Test } from 'tap'
import type { Bridge, BridgeEnd } from '../../../lib/bridge/bridge.ts'
import type { Opening } from '../../../lib/proxy/plan.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { ClientEvents, type ClientEventsOptions } from '../../../sidecar/connections/client-events.ts'
import type { Identity } from '../../../sidecar/connections/handshake-plan.ts'
import { introduce } from '../../../sidecar/receive/shadows/introduction.ts'
import { waitFor } from '../../helpers/wait.ts'
import { type Pod, startPod, userOf } from '../pod.ts'

type Connection = Bridge<Identity>

const HANDSHAKE = Buffer.from('GET / HTTP/1.1\r\n\r\n')
const opening = { handshake: HANDSHAKE } as Opening
const end = (cause: string) => ({ cause }) as unknown as BridgeEnd

async function start(t: Test, config: Partial<ClientEventsOptions['config']> = {}) {
  const pod = await startPod(t)
  pod.know(pod.name)
  pod.settle()
  const lines: Record<string, unknown>[] = []
  const log = createLogger('sidecar', 'pod', 'debug', { write: line => void lines.push(JSON.parse(line)) })
  const events = new ClientEvents({
    config: { DELIVER: 'app', ROUTE: 'inbound', ...config },
    messaging: pod.messaging,
    log,
  })
  return { pod, events, lines, messaging: pod.messaging }
}

let ids = 0

/** A client's connection, which keeps the messages written to it. */
function client(user: string | undefined, pending = false) {
  const written: string[] = []
  const id = String(++ids).padStart(32, '0')
  const connection = {
    state: 'open',
    lastSeen: 0,
    context: { user, id, key: id, secret: undefined, pending },
    send: async (side: string, { data }: { data: Buffer }) => {
      written.push(`${side} ${data}`)
      return 'sent'
    },
    hold: () => {},
    charge: () => {},
    release: () => {},
  } as unknown as Connection
  return { connection, written, id }
}

const users = (pod: Pod) => pod.metric('users')
const text = (data: string) => ({ data: Buffer.from(data), binary: false })

t.test('a client is served from its opening to its end', async t => {
  const { pod, events, lines, messaging } = await start(t)
  const { connection, id } = client('bob')
  events.opened(connection, opening)
  t.equal(await users(pod), 1)
  t.equal(messaging.connections.serving(id), connection)
  events.closed(connection, end('client'))
  t.equal(await users(pod), 0)
  t.equal(messaging.connections.serving(id), undefined)
  t.match(lines, [
    { level: 'debug', msg: 'connected', user: 'bob', connection: id, arriving: false },
    { level: 'debug', msg: 'disconnected', user: 'bob', connection: id, cause: 'client' },
  ])
})

t.test('a client without a user is a connection, and no user', async t => {
  const { pod, events, messaging } = await start(t)
  const { connection, id } = client(undefined)
  events.opened(connection, opening)
  t.equal(await users(pod), 0)
  t.equal(messaging.connections.serving(id), connection)
  events.movedTo(connection, '10.0.0.2:3000')
  events.stayed(connection)
  events.taken(connection)
  t.equal(messaging.connections.serving(id), connection)
  events.closed(connection, end('client'))
  t.equal(messaging.connections.serving(id), undefined)
})

t.test('an end that the limits of this pod have caused is a warning', async t => {
  const { events, lines } = await start(t)
  for (const cause of ['no_room', 'slow_message', 'client']) events.closed(client('bob').connection, end(cause))
  t.strictSame(
    lines.map(({ level }) => level),
    ['warn', 'warn', 'debug'],
  )
})

t.test('handshakes are kept only where other pods repeat them', async t => {
  for (const [DELIVER, ROUTE, isKept] of [
    ['sender', 'inbound', true],
    ['sender', 'both', true],
    ['sender', 'outbound', false],
    ['app', 'inbound', false],
    ['client', 'both', false],
  ] as const) {
    const { events, messaging } = await start(t, { DELIVER, ROUTE })
    const { connection, id } = client('bob')
    events.opened(connection, opening)
    const origin = messaging.connections.origin(connection)
    t.equal(origin?.id, id)
    t.strictSame(origin?.handshake, isKept ? introduce(HANDSHAKE, 'bob') : undefined, `${DELIVER}, ${ROUTE}`)
  }
})

t.test('a pending client is served once it is taken', async t => {
  const { pod, events, messaging } = await start(t)
  const user = userOf(pod.name, pod.name)
  const [ann, bob] = [client('ann'), client(user, true)]
  for (const { connection } of [ann, bob]) events.opened(connection, opening)
  t.equal(messaging.connections.locate(bob.id), 'pending')
  events.addressed(ann.connection, 'inbound', user, text('hello'))
  await new Promise(setImmediate)
  t.strictSame(bob.written, [], 'a message waits for it')
  events.taken(bob.connection)
  t.strictSame(messaging.connections.locate(bob.id), { bridge: bob.connection })
  await waitFor(async () => (await pod.outcomes())['delivered'] === 1, 'the message is delivered')
  t.strictSame(bob.written, ['upstream hello'])
})

t.test('a moved client is at the other member until the move is cancelled', async t => {
  const { pod, events, messaging } = await start(t)
  const { connection, id } = client('bob')
  events.opened(connection, opening)
  events.movedTo(connection, '10.0.0.2:3000')
  t.strictSame(messaging.connections.locate(id), { member: '10.0.0.2:3000' })
  t.equal(await users(pod), 0)
  events.stayed(connection)
  t.strictSame(messaging.connections.locate(id), { bridge: connection })
  t.equal(await users(pod), 1)
})

for (const [direction, DELIVER, side] of [
  ['inbound', 'app', 'upstream'],
  ['inbound', 'client', 'client'],
  ['outbound', 'app', 'client'],
] as const)
  t.test(`an ${direction} message goes to the recipient's ${side} where messages go to the ${DELIVER}`, async t => {
    const { pod, events } = await start(t, { DELIVER, ROUTE: 'both' })
    const user = userOf(pod.name, pod.name)
    const [ann, bob] = [client('ann'), client(user)]
    for (const { connection } of [ann, bob]) events.opened(connection, opening)
    events.addressed(ann.connection, direction, user, text('hello'))
    await waitFor(async () => (await pod.outcomes())['delivered'] === 1, 'it is delivered')
    t.strictSame(bob.written, [`${side} hello`])
    t.strictSame(ann.written, [])
  })

t.test("a client's message goes out as its own where the app is to see its sender", async t => {
  const { pod, events } = await start(t, { DELIVER: 'sender' })
  const user = userOf(pod.name, pod.name)
  const [ann, bob] = [client('ann'), client(user)]
  for (const { connection } of [ann, bob]) events.opened(connection, opening)
  events.addressed(ann.connection, 'inbound', user, text('hello'))
  await waitFor(async () => (await pod.outcomes())['delivered'] === 1, 'it is delivered')
  t.strictSame(ann.written, ['upstream hello'], 'the app passes it to the recipient')
  t.strictSame(bob.written, [])
})

t.test('a message names the side of the connection that wrote it, and its client only if that did', async t => {
  const { events, messaging } = await start(t, { DELIVER: 'sender', ROUTE: 'both' })
  const ann = client('ann')
  const nobody = client(undefined)
  for (const { connection } of [ann, nobody]) events.opened(connection, opening)
  const routed: unknown[][] = []
  messaging.router.route = (...message) => void routed.push(message)
  const message = text('hello')
  events.addressed(ann.connection, 'inbound', 'bob', message)
  events.addressed(ann.connection, 'outbound', 'bob', message)
  events.addressed(nobody.connection, 'outbound', 'bob', message)
  const origin = messaging.connections.origin(ann.connection)
  t.ok(origin)
  t.strictSame(routed, [
    [{ bridge: ann.connection, side: 'client', user: 'ann', origin }, 'bob', 'sender', message],
    [{ bridge: ann.connection, side: 'upstream', user: 'ann', origin: undefined }, 'bob', 'client', message],
    [{ bridge: nobody.connection, side: 'upstream', user: '', origin: undefined }, 'bob', 'client', message],
  ])
})
