import type { Unparsed } from '../../lib/websocket/addressing/address-finder.ts'
import type { MessagingCore } from '../messaging-core.ts'
import type { ClientConnections } from '../send/client-connections.ts'
import type { Relay } from '../send/relay.ts'
import type { Router } from '../send/router.ts'
import { EXTENDED_WAIT_FACTOR } from '../send/search.ts'
import { Delivery } from './delivery.ts'
import { MessageReceiver } from './message-receiver.ts'
import { createSenders, toClient } from './shadows/create-senders.ts'
import { LeavingConnections } from './shadows/leaving.ts'
import { Replies } from './shadows/replies.ts'
import type { SenderConnections } from './shadows/sender-connections.ts'

/** The objects that receive messages of other members. */
export interface Receiving {
  readonly inbox: MessageReceiver
  readonly delivery: Delivery
  readonly senders: SenderConnections
  readonly leaving: LeavingConnections
}

/** The sending side, which is created after the receiving one and used by it. */
export interface SendingSide {
  readonly router: () => Router
  readonly relay: () => Relay
  /** Counts a reply that may be addressed but was not examined. */
  readonly unparsed: (reason: Unparsed) => void
}

export function createReceiving(core: MessagingCore, connections: ClientConnections, sending: SendingSide): Receiving {
  const { config, shares, find, transport, metrics } = core
  const leaving = new LeavingConnections()
  const senders = createSenders(config, {
    connections,
    find,
    unparsed: sending.unparsed,
    replies: () => replies,
    router: sending.router,
    onEnded: origin => transport.endAll(origin),
    memory: shares.senders,
    metrics,
  })
  const delivery = createDelivery(core, connections, { senders, leaving, relay: sending.relay })
  const replies = createReplies(core, delivery)
  const inbox = new MessageReceiver({
    delivery,
    locationCache: core.locationCache,
    knownPeers: core.knownPeers,
    ended: id => senders.close(id, 'sender'),
    windowBytes: config.MAX_QUEUE_BYTES,
    memory: shares.deduplication,
    metrics,
  })
  return { inbox, delivery, senders, leaving }
}

function createDelivery(
  { config, members, registry, locationCache, shares }: MessagingCore,
  connections: ClientConnections,
  { senders, leaving, relay }: Pick<Receiving, 'senders' | 'leaving'> & Pick<SendingSide, 'relay'>,
): Delivery {
  return new Delivery({
    senders,
    leaving: user => leaving.of(user),
    reply: routed => toClient(routed, connections, senders),
    self: config.SELF,
    owner: user => members().owner(user)?.name,
    registry,
    locationCache,
    relay: (...copy) => relay().copy(...copy),
    maxWaitingBytes: config.MAX_QUEUE_BYTES,
    maxWaitMs: config.DELIVER_TIMEOUT_MS / 2,
    memory: shares.budget.accounts.messages,
  })
}

function createReplies(core: MessagingCore, delivery: Delivery): Replies {
  const { config, transport, knownPeers, nextLane, metrics } = core
  return new Replies({
    self: config.SELF,
    transport,
    member: name => knownPeers.get(name),
    deliver: routed => delivery.deliver(routed),
    nextLane,
    timeoutMs: config.DELIVER_TIMEOUT_MS,
    waitMs: EXTENDED_WAIT_FACTOR * config.RECIPIENT_WAIT_MS,
    maxQueueBytes: () => core.queueLimit(),
    metrics,
  })
}
