import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { createMember, type Member } from '../../../../lib/routing/members.ts'
import { Metrics } from '../../../../lib/service/metrics.ts'
import type { Message } from '../../../../lib/wire/message.ts'
import type { Deliver, Outcome } from '../../../../lib/wire/outcome.ts'
import type { Transport } from '../../../../lib/wire/transport/transport.ts'
import { linkRoute } from '../../../../sidecar/link-route.ts'
import { messageRoute } from '../../../../sidecar/message-route.ts'
import type { Scope } from '../../../helpers/stack.ts'

export interface Arrival {
  readonly user: string
  readonly deliver: Deliver
  readonly text: string
  readonly binary: boolean
}

export interface Peer {
  readonly member: Member
  readonly arrivals: Arrival[]
  /** Requests and link handshakes that reached it. */
  readonly requests: string[]
  /** TCP connections that are open. */
  connections(): Promise<number>
  close(): Promise<void>
}

export interface PeerOptions {
  /** What becomes of an arrival; `delivered` unless said otherwise. */
  readonly outcome?: (arrival: Arrival) => Promise<Outcome> | Outcome
  readonly token?: string
  readonly maxMessageBytes?: number
  readonly windowBytes?: number
  /** A peer of a version that knows only HTTP takes none. */
  readonly links?: boolean
  /** Whether link handshakes are refused at the moment. */
  readonly refusesLinks?: () => boolean
  readonly port?: number
}

/** The receiving ends as a sidecar has them, with deliveries that a test decides on. */
export async function startPeer(t: Scope, options: PeerOptions = {}): Promise<Peer> {
  const { outcome = () => 'delivered', token = '', maxMessageBytes = 1_000_000, windowBytes = 262_144 } = options
  const arrivals: Arrival[] = []
  const requests: string[] = []
  const app = fastify({ logger: false, forceCloseConnections: true })
  const receive = async (user: string, deliver: Deliver, { data, binary }: Message) => {
    const arrival = { user, deliver, text: data.toString('latin1'), binary }
    arrivals.push(arrival)
    return outcome(arrival)
  }
  await messageRoute(app, receive, token, maxMessageBytes)
  if (options.links !== false) await linkRoute(app, receive, token, { maxMessageBytes, windowBytes }, new Metrics())
  app.addHook('onRequest', async ({ method, url }, reply) => {
    requests.push(`${method} ${url}`)
    if (method === 'GET' && options.refusesLinks?.()) return reply.code(503).send()
  })
  app.server.on('upgrade', ({ url }) => requests.push(`UPGRADE ${url}`))
  if (options.links === false) app.server.removeAllListeners('upgrade')
  await app.listen({ host: '127.0.0.1', port: options.port ?? 0 })
  t.teardown(() => app.close())
  const { port } = app.server.address() as AddressInfo
  return {
    member: createMember('127.0.0.1', port),
    arrivals,
    requests,
    connections: () => new Promise(resolve => app.server.getConnections((_error, count) => resolve(count))),
    close: async () => void (await app.close()),
  }
}

export const text = (content: string): Message => ({ data: Buffer.from(content), binary: false })

/** A time limit that no test reaches, unless it says so. */
export const patience = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms)

/** Sends messages to one recipient as fast as the transport keeps their order; the outcomes in that order. */
export async function inOrder(
  transport: Transport,
  member: Member,
  user: string,
  messages: readonly Message[],
): Promise<Outcome[]> {
  const outcomes: Promise<Outcome>[] = []
  for (const message of messages) {
    if (!transport.pipelines(member)) await Promise.all(outcomes)
    outcomes.push(transport.send(member, user, 'app', message, patience()))
  }
  return Promise.all(outcomes)
}
