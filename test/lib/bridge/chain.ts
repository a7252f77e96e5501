import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { type ServerOptions, WebSocket, WebSocketServer } from 'ws'
import { loadBalancerConfig } from '../../../balancer/config.ts'
import type { Bridge, HandedOver, HandOver, Loss } from '../../../lib/bridge/bridge.ts'
import { type Answered, dial } from '../../../lib/bridge/socket/dial.ts'
import type { Opening } from '../../../lib/proxy/plan.ts'
import { WebSocketProxy } from '../../../lib/proxy/proxy.ts'
import { dialLimitsOf } from '../../../lib/proxy/proxy-settings.ts'
import { createServer } from '../../../lib/proxy/server.ts'
import { createLogger } from '../../../lib/service/log/log.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import { MAX_HELLO_BYTES } from '../../../lib/settings/balancer-settings.ts'
import { FirstMessage } from '../../../lib/websocket/first-message.ts'
import type { Scope } from '../../helpers/stack.ts'
import { waitFor } from '../../helpers/wait.ts'

/** Waits for a condition that says by its text what it is. */
export const until = (condition: () => boolean) => waitFor(condition, condition.toString())

export interface App {
  readonly name: string
  readonly port: number
  readonly sockets: Set<WebSocket>
  /** Close codes that it has seen. */
  readonly closes: number[]
  /** Payloads of pings that it has read. */
  readonly pings: string[]
  readonly server: WebSocketServer
}

/** An app that answers each message with its own name in front, after a pause where the message asks for one. */
export async function startApp(t: Scope, name: string, options: ServerOptions = {}): Promise<App> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  const app: App = {
    name,
    port: (server.address() as AddressInfo).port,
    sockets: new Set(),
    closes: [],
    pings: [],
    server,
  }
  server.on('connection', socket => {
    app.sockets.add(socket)
    socket.on('message', (data, binary) => {
      const text = data.toString('latin1')
      const answer = Buffer.concat([Buffer.from(`${name} `), data as Buffer])
      if (text.startsWith('later')) setTimeout(() => socket.send(answer, { binary }), 100)
      else socket.send(answer, { binary })
    })
    socket.on('ping', data => app.pings.push(data.toString('latin1')))
    socket.on('close', code => {
      app.closes.push(code)
      app.sockets.delete(socket)
    })
  })
  t.teardown(() => {
    for (const socket of app.sockets) socket.terminate()
    server.close()
  })
  return app
}

/** A bridge, and the handshake that it began with. */
export interface Connection {
  readonly bridge: Bridge<unknown>
  readonly opening: Opening
}

export interface Chain {
  readonly url: string
  readonly connections: Connection[]
  /** Our ends of the clients' connections. */
  readonly accepted: Socket[]
  readonly losses: Loss[]
  readonly ends: unknown[]
}

/**
 * A server that passes everything to one app, until its connections are handed over.
 *
 * @param keep whether the loss of an upstream is kept from the client
 * @param settings of the balancer, without their prefix
 */
export async function startChain(
  t: Scope,
  app: Pick<App, 'port'>,
  keep = false,
  settings: Record<string, string> = {},
): Promise<Chain> {
  const log = createLogger('test', 'test', 'silent')
  const own = Object.entries(settings).map(([name, value]) => [`WS_OPERATOR_${name}`, value])
  const config = loadBalancerConfig({ WS_OPERATOR_MEMBERS: `127.0.0.1:${app.port}`, ...Object.fromEntries(own) })
  const chain = {
    connections: [] as Connection[],
    accepted: [] as Socket[],
    losses: [] as Loss[],
    ends: [] as unknown[],
  }
  const proxy = new WebSocketProxy({
    log,
    metrics: new Metrics(),
    config,
    identity: {},
    wholeMessages: true,
    plan: () => ({
      host: '127.0.0.1',
      port: app.port,
      drop: new Set<string>(),
      set: {},
      answer: {},
      context: {},
      ...(config.REHOME_HELLO === 'first-text' && { extras: { first: new FirstMessage(MAX_HELLO_BYTES) } }),
    }),
    opened: (bridge, opening) => void chain.connections.push({ bridge, opening }),
    closed: (_bridge, end) => void chain.ends.push(end),
    onLost(_bridge, loss) {
      chain.losses.push(loss)
      return keep
    },
  })
  const server = createServer(config, log, proxy)
  await server.register(proxy.plugin)
  server.server.on('connection', (socket: Socket) => chain.accepted.push(socket))
  await server.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    await proxy.drain(Date.now() + 100)
    await server.close()
  })
  return { ...chain, url: `ws://127.0.0.1:${(server.server.address() as AddressInfo).port}/` }
}

/** Repeats a connection's handshake. */
export async function dialAgain({ opening }: Connection, app: App): Promise<Answered> {
  const limits = dialLimitsOf({ HANDSHAKE_TIMEOUT_MS: 20_000, MAX_QUEUE_BYTES: 65_536, MAX_HEADER_BYTES: 16_384 })
  return dial('127.0.0.1', app.port, opening.handshake, limits).answered
}

/** Of a hand-over in which everybody does their part. */
export const TIMES = { movePing: Buffer.from('farewell'), fenceMs: 20_000, boundaryMs: 1000, lingerMs: 300 }

/** Hands a connection over to another app, which takes it. */
export async function handOver(connection: Connection, app: App, times: HandOver = TIMES): Promise<HandedOver> {
  await connection.bridge.whenRetired(10_000)
  return connection.bridge.handOver(await dialAgain(connection, app), times)
}

/** A client that keeps what it receives. */
export async function connect(t: Scope, url: string) {
  const socket = new WebSocket(url)
  const received: string[] = []
  const closes: number[] = []
  socket.on('message', data => received.push(data.toString('latin1')))
  socket.on('close', code => closes.push(code))
  await once(socket, 'open')
  t.teardown(() => socket.terminate())
  return { socket, received, closes }
}
