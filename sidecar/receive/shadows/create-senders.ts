import type { Bridge } from '../../../lib/bridge/bridge.ts'
import { dialLimitsOf } from '../../../lib/proxy/proxy-settings.ts'
import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import type { Metrics } from '../../../lib/service/metrics.ts'
import type { AddressFinder, Unparsed } from '../../../lib/websocket/addressing/address-finder.ts'
import type { MessagingConfig } from '../../config.ts'
import type { ClientConnections } from '../../send/client-connections.ts'
import type { Router } from '../../send/router.ts'
import { A_MOMENT_AGO, type Answer } from '../../transport/outcome.ts'
import type { Origin } from '../../transport/transport.ts'
import type { LocalMessage } from '../local-message.ts'
import type { Replies } from './replies.ts'
import { SenderConnections } from './sender-connections.ts'

/** Room for the header fields that balancer and sidecar add to a repeated handshake, in bytes. */
const ADDED_BYTES = 4096

export interface SendersDeps {
  readonly connections: ClientConnections
  /** Resolved at the first reply, because replies and senders need each other. */
  readonly replies: () => Replies
  readonly router: () => Router
  readonly find: AddressFinder
  /** Counts a reply that may be addressed but was not examined. */
  readonly unparsed: (why: Unparsed) => void
  /** Memory shared by all shadows. */
  readonly memory: Allotment
  /** Reports a connection's end to the pods that know it from copies of its messages. */
  readonly onEnded: (origin: Origin) => void
  readonly metrics: Metrics
}

/** Creates the connections into the app that stand for clients of other pods, from a sidecar's settings. */
export function createSenders(
  config: MessagingConfig,
  { connections, replies, router, find, unparsed, onEnded, memory, metrics }: SendersDeps,
): SenderConnections {
  const recipientOf = (payload: Buffer) => {
    const found = find.find(payload)
    if (typeof found === 'string') unparsed(found)
    else return found?.recipient
  }
  return new SenderConnections({
    self: config.SELF,
    target: {
      host: config.APP_HOST,
      port: config.APP_PORT,
      maxMessageBytes: config.MAX_PAYLOAD_BYTES,
      memory,
      ...dialLimitsOf(config),
    },
    maxHandshakeBytes: config.MAX_HEADER_BYTES + ADDED_BYTES,
    maxShadows: config.MAX_SENDER_CONNECTIONS,
    idleMs: config.SENDER_IDLE_SECONDS * 1000,
    serving: id => connections.serving(id),
    onReply(shadow, message) {
      // A message that the app addresses goes to that user, whichever connection the app writes it on.
      const isLookedAt = config.ROUTE !== 'inbound' && !message.binary
      const recipient = isLookedAt ? recipientOf(message.data) : undefined
      if (recipient !== undefined && recipient !== shadow.user) {
        const sender = { bridge: shadow, side: 'upstream', user: shadow.user ?? '' } as const
        router().route(sender, recipient, 'client', message)
      } else if (config.SENDER_REPLIES === 'drop') replies().drop()
      else replies().push(shadow, message)
    },
    onEnded,
    metrics,
  })
}

/** Delivers a reply to the client whose connection it is for, or answers where that client is. */
export function toClient(
  routed: LocalMessage,
  connections: Pick<ClientConnections, 'locate'>,
  senders: Pick<SenderConnections, 'home'>,
): Answer | Promise<Answer> {
  const place = connections.locate(routed.user)
  if (place === 'pending') return A_MOMENT_AGO
  if (place && 'bridge' in place) return toBridge(routed, place.bridge)
  if (place) return place
  const home = senders.home(routed.user)
  return home === undefined ? 'offline' : { member: home }
}

/** Only one reply is in flight at a time, so it waits for a slow client, as the app's own messages do. */
async function toBridge({ message }: LocalMessage, bridge: Pick<Bridge, 'send'>): Promise<Answer> {
  const result = await bridge.send('client', message, Number.POSITIVE_INFINITY)
  if (result === 'sent') return 'delivered'
  return result === 'full' ? 'slow_consumer' : 'offline'
}
