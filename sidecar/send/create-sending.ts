import type { MessagingCore } from '../messaging-core.ts'
import type { Delivery } from '../receive/delivery.ts'
import type { Origin } from '../transport/transport.ts'
import { Finder } from './finder.ts'
import type { Receipts } from './receipts.ts'
import { Relay } from './relay.ts'
import { Router } from './router.ts'
import { EXTENDED_WAIT_FACTOR } from './search.ts'

/** The objects that send messages to other members. */
export interface Sending {
  readonly router: Router
  readonly relay: Relay
}

export interface SendingDeps {
  readonly delivery: Delivery
  /** A sender's connection with its handshake, as far as this pod knows it. */
  readonly originOf: (id: string) => Origin | undefined
  readonly receipts: Receipts | undefined
}

export function createSending(core: MessagingCore, { delivery, originOf, receipts }: SendingDeps): Sending {
  const { config, members, history, knownPeers, registry, locationCache, transport, shares, nextLane } = core
  const { log, metrics } = core
  const timeoutMs = config.DELIVER_TIMEOUT_MS
  const finder = new Finder({
    self: config.SELF,
    members,
    history,
    knownPeers,
    registry,
    locationCache,
    delivery,
    transport,
    timeoutMs,
    metrics,
  })
  const relay = new Relay({
    finder,
    transport,
    locationCache,
    origin: originOf,
    nextLane,
    timeoutMs,
    waitMs: EXTENDED_WAIT_FACTOR * config.RECIPIENT_WAIT_MS,
    maxBytes: config.MAX_QUEUE_BYTES,
    memory: shares.budget.accounts.messages,
    metrics,
  })
  const router = new Router({
    finder,
    transport,
    nextLane,
    timeoutMs,
    recipientWaitMs: config.RECIPIENT_WAIT_MS,
    maxQueueBytes: () => core.queueLimit(),
    receipts,
    log,
    metrics,
  })
  return { router, relay }
}
