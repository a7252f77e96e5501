import type { AddressInfo } from 'node:net'
import fastify from 'fastify'
import { createMember, type Member } from '../../../lib/routing/members.ts'
import { Allotment } from '../../../lib/service/memory/allotment.ts'
import { Metrics } from '../../../lib/service/metrics.ts'
import type { Message } from '../../../lib/websocket/message.ts'
import { MemberAddresses } from '../../../sidecar/peers/member-addresses.ts'
import { PeerGate } from '../../../sidecar/peers/peer-gate.ts'
import type { LocalMessage } from '../../../sidecar/receive/local-message.ts'
import { MessageReceiver } from '../../../sidecar/receive/message-receiver.ts'
import { linkRoute } from '../../../sidecar/transport/link/link-route.ts'
import { messageRoute } from '../../../sidecar/transport/message-route.ts'
import type { Answer, Deliver } from '../../../sidecar/transport/outcome.ts'
import type { RoutedMessage, Transport } from '../../../sidecar/transport/transport.ts'
import type { Scope } from '../../helpers/stack.ts'

export interface Arrival {
  readonly user: string
  readonly deliver: Deliver
  readonly text: string
  readonly binary: boolean
  readonly deliveredTo: readonly string[] | undefined
}

export interface Peer {
  readonly member: Member
  readonly arrivals: Arrival[]
  /** Users that were announced, with the member that has them. */
  readonly announced: string[]
  /** How many messages came again. */
  duplicates(): Promise<number>
  /** Requests and link handshakes that reached it. */
  readonly requests: string[]
  /** TCP connections that are open. */
  connections(): Promise<number>
  close(): Promise<void>
}

export interface PeerOptions {
  /** What becomes of an arrival; `delivered` unless said otherwise. */
  readonly outcome?: (incoming: Arrival) => Promise<Answer> | Answer
  readonly token?: string
  readonly maxMessageBytes?: number
  readonly windowBytes?: number
  readonly maxLinks?: number
  /** A peer of a version that knows only HTTP takes none. */
  readonly links?: boolean
  /** Whether link handshakes are refused at the moment. */
  readonly refusesLinks?: () => boolean
  readonly port?: number
  /** Called with the number of each message that arrives. */
  readonly onId?: (id: number) => void
}

/** The receiving ends as a sidecar has them, with deliveries that a test decides on. */
export async function startPeer(t: Scope, options: PeerOptions = {}): Promise<Peer> {
  const { outcome = () => 'delivered', token = '', maxMessageBytes = 1_000_000, windowBytes = 262_144 } = options
  const { maxLinks = 2000 } = options
  const arrivals: Arrival[] = []
  const announced: string[] = []
  const requests: string[] = []
  const app = fastify({ logger: false, forceCloseConnections: true })
  const delivery = {
    deliver(routed: LocalMessage) {
      if ('id' in routed) options.onId?.(routed.id as number)
      const {
        user,
        deliver,
        message: { data, binary },
        deliveredTo,
      } = routed
      const incoming = { user, deliver, text: data.toString('latin1'), binary, deliveredTo }
      arrivals.push(incoming)
      return outcome(incoming)
    },
  }
  const locationCache = {
    announced: (member: string, users: readonly string[]) =>
      void announced.push(...users.map(user => `${user} ${member}`)),
  }
  const metrics = new Metrics()
  const inbox = new MessageReceiver({
    ended: () => {},
    delivery,
    locationCache,
    knownPeers: { addVerified: () => {}, get: () => undefined },
    windowBytes,
    memory: new Allotment(1e9),
    metrics,
  })
  const addresses = new MemberAddresses({ self: createMember('127.0.0.1', 1) })
  const gate = new PeerGate({ addresses, token, tokenRequired: true, target: '', metrics })
  await app.register(messageRoute, { inbox, gate, maxPayloadBytes: maxMessageBytes })
  const links = { inbox, gate, limits: { maxMessageBytes, windowBytes }, maxLinks, metrics }
  if (options.links !== false) await app.register(linkRoute, links)
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
    announced,
    async duplicates() {
      const { values = [] } = (await metrics.registry.getSingleMetric('ws_operator_duplicates_total')?.get()) ?? {}
      return values[0]?.value ?? 0
    },
    requests,
    connections: () => new Promise(resolve => app.server.getConnections((_error, count) => resolve(count))),
    close: async () => void (await app.close()),
  }
}

/** What the transports under test say of themselves. */
export const identity = (token = '') => ({ self: '127.0.0.9:9', token })

let lanes = 0

/** A routed that starts a lane of its own, unless it says otherwise. */
export const routed = (content: string, more: Partial<RoutedMessage> = {}): RoutedMessage => ({
  user: 'bob',
  deliver: 'app',
  message: text(content),
  lane: more.lane ?? ++lanes,
  start: true,
  deliveredTo: undefined,
  ...more,
})

export const text = (content: string): Message => ({ data: Buffer.from(content), binary: false })

/** A time limit that no test reaches, unless it says so. */
export const timeLimit = (ms = 20_000): AbortSignal => AbortSignal.timeout(ms)

/** Sends messages to one recipient as fast as the transport keeps their order; the outcomes in that order. */
export async function inOrder(
  transport: Transport,
  member: Member,
  user: string,
  messages: readonly Message[],
): Promise<Answer[]> {
  const answers: Promise<Answer>[] = []
  const lane = ++lanes
  let settled = 0
  for (const message of messages) {
    if (!transport.pipelines(member)) await Promise.all(answers)
    const start = settled === answers.length
    const answer = transport.send(member, routed('', { user, message, lane, start }), timeLimit())
    answers.push(answer)
    answer.then(
      () => settled++,
      () => {},
    )
  }
  return Promise.all(answers)
}
