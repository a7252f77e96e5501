import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import fastify from 'fastify'
import type { Bridge } from '../../lib/bridge/bridge.ts'
import { MemberHistory } from '../../lib/routing/history.ts'
import { parseMember } from '../../lib/routing/members.ts'
import { MemberSet } from '../../lib/routing/rendezvous.ts'
import { createLogger } from '../../lib/service/log/log.ts'
import { Metrics } from '../../lib/service/metrics.ts'
import { AddressFinder } from '../../lib/websocket/addressing/address-finder.ts'
import { SharedByteAllowance } from '../../lib/websocket/byte-allowance.ts'
import type { Message } from '../../lib/websocket/message.ts'
import type { MessagingConfig } from '../../sidecar/config.ts'
import { Messaging } from '../../sidecar/messaging.ts'
import { MemberAddresses } from '../../sidecar/peers/member-addresses.ts'
import { PeerGate } from '../../sidecar/peers/peer-gate.ts'
import { linkRoute } from '../../sidecar/transport/link/link-route.ts'
import { messageRoute } from '../../sidecar/transport/message-route.ts'
import { OUTCOMES } from '../../sidecar/transport/outcome.ts'
import type { Scope } from '../helpers/stack.ts'

/** A client's connection, without sockets: it keeps what is written to it. */
export interface FakeClient {
  readonly user: string
  /** The same at each pod that it is moved to. */
  readonly key: string
  readonly bridge: Bridge
  readonly received: string[]
  leave(): void
}

/** All that a sidecar has to do with messages, over real links, with connections that a test makes and moves. */
export interface Pod {
  readonly name: string
  readonly port: number
  readonly messaging: Messaging
  readonly metrics: Metrics
  connect(user: string, pod?: Pod): FakeClient
  /** The handshake of a client of another pod is repeated here; whether the client follows is open. */
  arrive(client: FakeClient): FakeClient
  /** The client goes on at another pod, as a balancer moves it; what it has received it keeps. */
  move(client: FakeClient, to: Pod): FakeClient
  send(from: FakeClient, recipient: string, text: string): void
  /** Whom this pod takes for the members. */
  know(...names: string[]): void
  /** As if the members had been the same for long. */
  settle(): void
  outcomes(): Promise<Record<string, number>>
  metric(name: string, labels?: Record<string, string>): Promise<number>
  /** The process is gone, without a word. */
  kill(): Promise<void>
}

export interface PodOptions {
  readonly config?: Partial<MessagingConfig>
  readonly port?: number
  /** Under which name others reach it, if not its own address. */
  readonly name?: string
}

export async function startPod(t: Scope, { config = {}, port = 0, name }: PodOptions = {}): Promise<Pod> {
  const metrics = new Metrics()
  const log = createLogger('sidecar', 'pod', 'silent')
  const app = fastify({ logger: false, forceCloseConnections: true })
  const sockets = new Set<Socket>()
  app.server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  // The name has to be known before the first route is made.
  const address = port || (await freePort())
  const self = name ?? `127.0.0.1:${address}`
  let members = MemberSet.empty
  let clock = 0
  const history = new MemberHistory({ now: () => performance.now() + clock })
  const find = new AddressFinder({
    field: 'recipientId',
    withId: false,
    maxBytes: 1_000_000,
    room: new SharedByteAllowance(0),
  })
  const messaging = new Messaging(
    {
      SELF: self,
      TOKEN: '',
      TARGET: '',
      TRANSPORT: 'link',
      DELIVER_TIMEOUT_MS: 5000,
      RECIPIENT_WAIT_MS: 3000,
      MAX_QUEUE_BYTES: 262_144,
      RECEIPTS: false,
      RECIPIENT_FIELD: 'recipientId',
      ROUTE: 'inbound',
      APP_HOST: '127.0.0.1',
      APP_PORT: 1,
      HANDSHAKE_TIMEOUT_MS: 2000,
      MAX_HEADER_BYTES: 16_384,
      MAX_PAYLOAD_BYTES: 1_000_000,
      SENDER_REPLIES: 'pass',
      SENDER_IDLE_SECONDS: 60,
      MAX_SENDER_CONNECTIONS: 100,
      ...config,
    },
    { find, members: () => members, history, log, metrics },
  )
  const addresses = new MemberAddresses({ self: parseMember(self) })
  const gate = new PeerGate({ addresses, token: config.TOKEN ?? '', tokenRequired: true, target: '', metrics })
  const { inbox } = messaging
  await app.register(messageRoute, { inbox, gate, maxPayloadBytes: 1_000_000 })
  const limits = { maxMessageBytes: 1_000_000, windowBytes: 262_144 }
  await app.register(linkRoute, { inbox, gate, limits, metrics })
  await app.listen({ host: '127.0.0.1', port: address })
  let ended = false
  const kill = async () => {
    if (ended) return
    ended = true
    messaging.stop()
    for (const socket of sockets) socket.destroy()
    await app.close()
  }
  t.teardown(kill)
  const value = async (metric: string, labels: Record<string, string> = {}) => {
    const found = await metrics.registry.getSingleMetric(`ws_operator_${metric}`)?.get()
    const match = found?.values.find(entry =>
      Object.entries(labels).every(([key, wanted]) => (entry.labels as Record<string, string>)[key] === wanted),
    )
    return match?.value ?? 0
  }
  const pod: Pod = {
    name: self,
    port: address,
    messaging,
    metrics,
    connect: user => attach(messaging, user, [], `key-${++keys}`),
    arrive: client => attach(messaging, client.user, client.received, client.key, true),
    move(client, to) {
      const moved = to.arrive(client)
      messaging.users.moved(client.user, client.bridge, to.name)
      to.messaging.users.taken(client.user, moved.bridge)
      client.leave()
      return moved
    },
    send({ user, bridge }, recipient, text) {
      const data = Buffer.from(JSON.stringify({ recipientId: recipient, text }))
      messaging.router.route({ bridge, side: 'client', user }, recipient, 'client', { data, binary: false })
    },
    know(...names) {
      members = MemberSet.of(names.map(parseMember))
      messaging.membersChanged(members)
    },
    settle() {
      clock += 120_000
    },
    async outcomes() {
      const counts: Record<string, number> = {}
      for (const outcome of OUTCOMES) {
        const count = await value('messages_routed_total', { outcome })
        if (count > 0) counts[outcome] = count
      }
      return counts
    },
    metric: value,
    kill,
  }
  return pod
}

/** Connections that were made: each has a key of its own. */
let keys = 0

function attach(messaging: Messaging, user: string, received: string[], key: string, pending = false): FakeClient {
  const bridge = {
    state: 'open',
    send: async (_side: string, { data }: Message) => {
      if (bridge.state !== 'open') return 'closed'
      received.push((JSON.parse(data.toString()) as { text: string }).text ?? data.toString())
      return 'sent'
    },
    hold: () => {},
    charge: () => {},
    release: () => {},
  }
  const client = bridge as unknown as Bridge
  messaging.users[pending ? 'pending' : 'connected'](user, client, key)
  return {
    user,
    key,
    bridge: client,
    received,
    leave() {
      bridge.state = 'closed'
      messaging.users.disconnected(user, client)
    },
  }
}

export function freePort(): Promise<number> {
  return new Promise(resolve => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** A user whose owner is this member, by these members. */
export function userOf(owner: string, ...names: string[]): string {
  const set = MemberSet.of(names.map(parseMember))
  for (let n = 0; ; n++) if (set.owner(`user-${n}`)?.name === owner) return `user-${n}`
}

/** A user for whom the members rank so. */
export function userRanked(...ranks: string[]): string {
  const set = MemberSet.of(ranks.map(parseMember))
  for (let n = 0; ; n++) {
    const order = set.rank(`user-${n}`).map(({ name }) => name)
    if (order.every((name, i) => name === ranks[i])) return `user-${n}`
  }
}

/** A way to a pod that can be cut. */
export interface Cable {
  readonly name: string
  /** Where it leads to; it can be changed. */
  target: number
  /** What the pod answers no longer comes through. */
  mute(): void
  /** Breaks all connections; new ones can be made, and are heard again. */
  cut(): void
}

export async function startCable(t: Scope, target: number): Promise<Cable> {
  const pairs = new Set<[Socket, Socket]>()
  let muted = false
  const server = createServer(near => {
    const far = connect({ host: '127.0.0.1', port: cable.target })
    const pair: [Socket, Socket] = [near, far]
    pairs.add(pair)
    const end = () => {
      near.destroy()
      far.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
    near.on('data', (chunk: Buffer) => far.write(chunk))
    far.on('data', (chunk: Buffer) => muted || near.write(chunk))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const cable: Cable = {
    name: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    target,
    mute() {
      muted = true
    },
    cut() {
      muted = false
      for (const [near, far] of [...pairs]) {
        near.destroy()
        far.destroy()
      }
    },
  }
  t.teardown(() => {
    cable.cut()
    return new Promise(resolve => server.close(resolve))
  })
  return cable
}
