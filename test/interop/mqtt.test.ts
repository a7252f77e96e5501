import { type EventEmitter, once } from 'node:events'
import { Aedes } from 'aedes'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import t from 'tap'
import { createWebSocketStream } from 'ws'
import { type App, startApp } from '../helpers/app.ts'
import { type Scope, startStack } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'
import { LARGE_BYTES, largeBinary, sha256 } from './support.ts'

// MQTT over WebSocket (OASIS MQTT 3.1.1 §6): https://github.com/moscajs/aedes is the broker, https://github.com/mqttjs/MQTT.js
// the client.

/** The client is an emitter of Node's, but its types are its own. */
const next = (client: MqttClient, event: string) => once(client as unknown as EventEmitter, event)

async function startMqtt(t: Scope): Promise<{ app: App; broker: Aedes; url: string }> {
  const broker = await Aedes.createBroker()
  t.teardown(() => new Promise<void>(resolve => broker.close(resolve)))
  const app = await startApp(t, {
    options: { handleProtocols: offered => (offered.has('mqtt') ? 'mqtt' : false) },
    onConnection: (socket, request) => {
      broker.handle(createWebSocketStream(socket), request)
    },
  })
  const { balancer } = await startStack(t, [app])
  return { app, broker, url: `ws://127.0.0.1:${balancer.port}/mqtt` }
}

async function mqttClient(t: Scope, url: string, user: string, options: IClientOptions = {}): Promise<MqttClient> {
  const client = mqtt.connect(url, {
    clientId: user,
    reconnectPeriod: 0,
    connectTimeout: 5000,
    wsOptions: { headers: { 'ws-user-id': user } },
    ...options,
  })
  t.teardown(() => client.endAsync(true))
  await next(client, 'connect')
  return client
}

t.test('the sub-protocol is mqtt; each quality of service delivers', async t => {
  const { app, url } = await startMqtt(t)
  const [alice, bob] = await Promise.all([mqttClient(t, url, 'alice'), mqttClient(t, url, 'bob')])
  t.strictSame(
    [...app.server.clients].map(({ protocol }) => protocol),
    ['mqtt', 'mqtt'],
  )
  t.strictSame(app.handshakes.map(({ headers }) => headers['ws-user-id']).sort(), ['alice', 'bob'])
  const seen: string[] = []
  bob.on('message', (topic, payload, { qos }) => seen.push(`${topic} ${payload} ${qos}`))
  await bob.subscribeAsync('rooms/+/messages', { qos: 2 })
  for (const qos of [0, 1, 2] as const) await alice.publishAsync(`rooms/${qos}/messages`, `with ${qos}`, { qos })
  await alice.publishAsync('rooms/1/other', 'for nobody', { qos: 1 })
  await alice.publishAsync('rooms/9/messages', 'the last one', { qos: 1 })
  await waitFor(() => seen.length >= 4, 'four messages')
  t.strictSame(seen, [
    'rooms/0/messages with 0 0',
    'rooms/1/messages with 1 1',
    'rooms/2/messages with 2 2',
    'rooms/9/messages the last one 1',
  ])
})

t.test('8 MiB of binary, there and back, and retained for a later client', async t => {
  const { url } = await startMqtt(t)
  const alice = await mqttClient(t, url, 'alice')
  const sent = largeBinary()
  const received: Buffer[] = []
  alice.on('message', (_topic, payload) => received.push(payload))
  await alice.subscribeAsync('files/1', { qos: 1 })
  await alice.publishAsync('files/1', sent, { qos: 1, retain: true })
  await waitFor(() => received.length === 1, 'it has come back')
  t.equal(received[0]?.length, LARGE_BYTES)
  t.equal(sha256(received[0] ?? Buffer.of()), sha256(sent))
  const bob = await mqttClient(t, url, 'bob')
  const retained = next(bob, 'message')
  await bob.subscribeAsync('files/#', { qos: 1 })
  t.equal(sha256((await retained)[1] as Buffer), sha256(sent))
})

t.test('a thousand small messages arrive in order', async t => {
  const { url } = await startMqtt(t)
  const [alice, bob] = await Promise.all([mqttClient(t, url, 'alice'), mqttClient(t, url, 'bob')])
  const seen: number[] = []
  bob.on('message', (_topic, payload) => seen.push(Number(payload)))
  await bob.subscribeAsync('n', { qos: 0 })
  const numbers = Array.from({ length: 1000 }, (_, n) => n)
  for (const n of numbers) alice.publish('n', String(n))
  await waitFor(() => seen.length === numbers.length, 'all are there')
  t.strictSame(seen, numbers)
})

t.test('the keepalive of MQTT goes end to end', async t => {
  const { broker, url } = await startMqtt(t)
  let asked = 0
  let answered = 0
  broker.on('ping', () => asked++)
  const alice = await mqttClient(t, url, 'alice', { keepalive: 1 })
  alice.on('packetreceive', ({ cmd }) => void (cmd === 'pingresp' && answered++))
  await waitFor(() => asked >= 1 && answered >= 1, 'a ping and its answer')
  t.equal(alice.connected, true)
})

t.test('the last will is told when a client is gone without a word, and not after a goodbye', async t => {
  const { broker, url } = await startMqtt(t)
  const watcher = await mqttClient(t, url, 'watcher')
  const seen: string[] = []
  watcher.on('message', (topic, payload) => seen.push(`${topic} ${payload}`))
  await watcher.subscribeAsync('gone/+', { qos: 1 })
  const will = (user: string) =>
    ({ topic: `gone/${user}`, payload: Buffer.from('bye'), qos: 1, retain: false }) as const

  const polite = await mqttClient(t, url, 'polite', { will: will('polite') })
  const left = once(broker, 'clientDisconnect')
  await polite.endAsync()
  await left
  const abrupt = await mqttClient(t, url, 'abrupt', { will: will('abrupt') })
  abrupt.stream.destroy()
  await waitFor(() => seen.length >= 1, 'the will')
  t.strictSame(seen, ['gone/abrupt bye'])
})

t.test('a client that the broker throws out sees its end, and comes back by itself', async t => {
  const { app, broker, url } = await startMqtt(t)
  const alice = await mqttClient(t, url, 'alice', { reconnectPeriod: 20 })
  const closed = next(alice, 'close')
  const again = next(alice, 'connect')
  for (const socket of app.server.clients) socket.close(1001, 'restart')
  await closed
  await again
  t.equal(app.handshakes.length, 2)
  await waitFor(() => broker.connectedClients === 1, 'the broker has one')
})
