import { MemberHistory } from '../lib/routing/history.ts'
import type { Member } from '../lib/routing/members.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import { ownToken } from '../lib/service/http/token.ts'
import type { Logger } from '../lib/service/log/log.ts'
import { queueLimit } from '../lib/service/memory/policy.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import type { AddressFinder } from '../lib/websocket/addressing/address-finder.ts'
import type { MessagingConfig } from './config.ts'
import { Registry } from './connections/registry.ts'
import { type MemoryShares, unlimitedShares } from './memory-shares.ts'
import { KnownPeers } from './peers/known-peers.ts'
import { Introductions } from './send/introductions.ts'
import { LocationCache } from './send/location-cache.ts'
import { createHttpTransport } from './transport/http.ts'
import { createLinkTransport } from './transport/link/link.ts'
import { serialNumbers } from './transport/serial-numbers.ts'

export interface MessagingDeps {
  readonly find: AddressFinder
  readonly members: () => MemberSet
  readonly history?: MemberHistory
  /** Whether a host that no list contains is a member nevertheless. */
  readonly confirm?: (host: string) => Promise<boolean>
  /** Called each time this sidecar meets a member that may be missing from its list. */
  readonly onVerified?: (member: Member) => void
  /** Unlimited by default. */
  readonly shares?: MemoryShares
  readonly log: Logger
  readonly metrics: Metrics
}

/** State shared by sending and receiving: the locations of users, and the transport to other members. */
export interface MessagingCore {
  readonly config: MessagingConfig
  readonly find: AddressFinder
  readonly members: () => MemberSet
  readonly history: MemberHistory
  readonly shares: MemoryShares
  readonly log: Logger
  readonly metrics: Metrics
  readonly registry: Registry
  readonly knownPeers: KnownPeers
  readonly locationCache: LocationCache
  readonly transport: Introductions
  /** Number of the next lane of this process. */
  readonly nextLane: () => number
  /** Maximum number of waiting bytes per sender; fewer while memory is short. */
  queueLimit(): number
}

export function createCore(config: MessagingConfig, deps: MessagingDeps): MessagingCore {
  const { find, members, history = new MemberHistory(), onVerified, shares = unlimitedShares(), log, metrics } = deps
  const knownPeers = new KnownPeers({ members, history, ...(onVerified && { onVerified }) })
  return {
    config,
    find,
    members,
    history,
    shares,
    log,
    metrics,
    registry: new Registry(undefined, shares.locations),
    knownPeers,
    locationCache: new LocationCache({
      self: config.SELF,
      isUsable: name => knownPeers.get(name) !== undefined,
      memory: shares.locations,
      metrics,
    }),
    transport: createTransport(config, shares),
    nextLane: serialNumbers(),
    queueLimit: () => queueLimit(shares.budget.fill, config.MAX_QUEUE_BYTES),
  }
}

function createTransport(config: MessagingConfig, { links }: MemoryShares): Introductions {
  const identity = { self: config.SELF, token: ownToken(config.TOKEN), target: config.TARGET }
  return new Introductions(
    config.TRANSPORT === 'link' ? createLinkTransport(identity, undefined, links) : createHttpTransport(identity),
  )
}
