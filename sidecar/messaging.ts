import type { Bridge } from '../lib/bridge/bridge.ts'
import { MemberHistory } from '../lib/routing/history.ts'
import { type Member, parseMember } from '../lib/routing/members.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import { ownToken } from '../lib/service/http/token.ts'
import type { Logger } from '../lib/service/log/log.ts'
import { Allotment } from '../lib/service/memory/allotment.ts'
import { type MemoryAccount, MemoryBudget } from '../lib/service/memory/budget.ts'
import { queueLimit } from '../lib/service/memory/policy.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import type { AddressFinder, Unparsed } from '../lib/websocket/addressing/address-finder.ts'
import type { Direction } from '../lib/websocket/message.ts'
import type { MessagingConfig } from './config.ts'
import { Registry } from './connections/registry.ts'
import { Announcer } from './peers/announcer.ts'
import { KnownPeers } from './peers/known-peers.ts'
import { Delivery } from './receive/delivery.ts'
import { MessageReceiver } from './receive/message-receiver.ts'
import { createSenders, toClient } from './receive/shadows/create-senders.ts'
import { LeavingConnections } from './receive/shadows/leaving.ts'
import { Replies } from './receive/shadows/replies.ts'
import { ClientConnections } from './send/client-connections.ts'
import { Finder } from './send/finder.ts'
import { Introductions } from './send/introductions.ts'
import { LocationCache } from './send/location-cache.ts'
import { Receipts } from './send/receipts.ts'
import { Relay } from './send/relay.ts'
import { Router } from './send/router.ts'
import { EXTENDED_WAIT_FACTOR } from './send/search.ts'
import { createHttpTransport } from './transport/http.ts'
import { createLinkTransport } from './transport/link/link.ts'
import { serialNumbers } from './transport/serial-numbers.ts'
import type { Receiver } from './transport/transport.ts'

/** Longest time for the app to read what others have written to a user who is moved, in milliseconds. */
const READ_MS = 1500

/** Parts of the budget for what belongs to no client of this pod, at most. */
const LOCATIONS_SHARE = 1 / 4
const SENDERS_SHARE = 1 / 4
const ANNOUNCEMENTS_SHARE = 1 / 16
const DEDUPLICATION_SHARE = 1 / 8
export const LINKS_SHARE = 1 / 4

const UNLIMITED = () => new MemoryBudget(Number.POSITIVE_INFINITY)

/** Everything about addressed messages, and who is where. */
export interface Messaging {
  readonly router: Router
  /** Takes what other sidecars send. */
  readonly inbox: Receiver
  /** All clients of this pod, whether a user is known or not. */
  readonly connections: ClientConnections
  /** Resolves when nothing of a client is under way, and the app has read what it was sent for its user. */
  idle(bridge: Bridge, user: string | undefined): Promise<void>
  /** Closes what stands for clients of other pods: this one has none of their recipients any more. */
  closeSenders(): void
  /** @param key of the client's connection: the same on each pod that it is served by */
  connected(user: string, bridge: Bridge, key: string): void
  /** A client's handshake was repeated here; whether the client is served here in the end is not known yet. */
  arriving(user: string, bridge: Bridge, key: string): void
  /** It is. */
  taken(user: string, bridge: Bridge): void
  disconnected(user: string, bridge: Bridge): void
  /**
   * A client is served by another member from now on: its connection here gets no more messages.
   *
   * @param member a member's name
   */
  moved(user: string, bridge: Bridge, member: string): void
  /** It is not after all: it stays here. */
  stayed(user: string, bridge: Bridge, key: string): void
  /** A message has passed that may be addressed and was not looked at; its sender is told, where that is wanted. */
  unparsed(bridge: Bridge, direction: Direction, why: Unparsed): void
  /** The member of this name, where need be by asking whether one that no list has is one all the same: then it is known from then on. */
  confirm(name: string): Promise<Member | undefined>
  /** To be called with the members at the start, and after every change. */
  membersChanged(members: MemberSet): void
  stop(): void
}

export interface MessagingDeps {
  readonly find: AddressFinder
  readonly members: () => MemberSet
  readonly history?: MemberHistory
  /** Whether a host that no list has is a member all the same. */
  readonly confirm?: (host: string) => Promise<boolean>
  /** Called each time that a member is met which no list need have. */
  readonly onMet?: (member: Member) => void
  /** What all may take, and links of it; without bounds where it is not said. */
  readonly memory?: MemoryBudget
  readonly links?: Allotment
  readonly log: Logger
  readonly metrics: Metrics
}

export function createMessaging(
  config: MessagingConfig,
  {
    find,
    members,
    history = new MemberHistory(),
    confirm,
    onMet,
    memory = UNLIMITED(),
    links,
    log,
    metrics,
  }: MessagingDeps,
): Messaging {
  const { SELF: self, DELIVER_TIMEOUT_MS: timeoutMs, MAX_QUEUE_BYTES: maxQueueBytes } = config
  const { messages, locations, deduplication } = memory.accounts
  const part = (share: number, account: MemoryAccount) => new Allotment(memory.bytes * share, account)
  const known = part(LOCATIONS_SHARE, locations)
  const outgoing = () => queueLimit(memory.fill, maxQueueBytes)
  const registry = new Registry(undefined, known)
  const token = ownToken(config.TOKEN)
  const knownPeers = new KnownPeers({ members, history, ...(onMet && { onMet }) })
  const locationCache = new LocationCache({
    self,
    isUsable: name => knownPeers.get(name) !== undefined,
    memory: known,
    metrics,
  })
  const identity = { self, token, target: config.TARGET }
  const transport = new Introductions(
    config.TRANSPORT === 'link' ? createLinkTransport(identity, undefined, links) : createHttpTransport(identity),
  )
  const nextLane = serialNumbers()
  const owner = (user: string) => members().owner(user)?.name
  const connections: ClientConnections = new ClientConnections(
    (bridge, origin) => {
      // What it has sent last is still on its way.
      void router.idle(bridge).then(() => {
        senders.close(origin.id, 'sender')
        transport.endAll(origin)
      })
    },
    id => senders.close(id, 'own'),
    undefined,
    known,
  )
  const receipts = config.RECEIPTS ? new Receipts(config.RECIPIENT_FIELD, metrics) : undefined
  const unparsed = metrics.counter(
    'messages_unparsed_total',
    'Messages that may be addressed but passed without being examined completely, by reason.',
    { labelNames: ['reason'] },
  )
  const leaving = new LeavingConnections()
  const senders = createSenders(config, {
    connections,
    find,
    unparsed: reason => unparsed.inc({ reason }),
    replies: () => replies,
    router: () => router,
    onEnded: origin => transport.endAll(origin),
    memory: part(SENDERS_SHARE, messages),
    metrics,
  })
  const delivery = new Delivery({
    senders,
    leaving: user => leaving.of(user),
    reply: routed => toClient(routed, connections, senders),
    self,
    owner,
    registry,
    locationCache,
    relay: (...copy) => relay.copy(...copy),
    maxWaitingBytes: maxQueueBytes,
    maxWaitMs: timeoutMs / 2,
    memory: messages,
  })
  const finder = new Finder({
    self,
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
    origin: id => connections.originOf(id) ?? senders.originOf(id),
    nextLane,
    timeoutMs,
    waitMs: EXTENDED_WAIT_FACTOR * config.RECIPIENT_WAIT_MS,
    maxBytes: maxQueueBytes,
    memory: messages,
    metrics,
  })
  const replies = new Replies({
    self,
    transport,
    member: name => finder.member(name),
    deliver: routed => delivery.deliver(routed),
    nextLane,
    timeoutMs,
    waitMs: EXTENDED_WAIT_FACTOR * config.RECIPIENT_WAIT_MS,
    maxQueueBytes: outgoing,
    metrics,
  })
  const announcer = new Announcer({
    self,
    members,
    settled: ms => history.settled(ms),
    known: user => locationCache.members(user).flatMap(name => finder.member(name) ?? []),
    registry,
    transport,
    memory: part(ANNOUNCEMENTS_SHARE, messages),
    metrics,
  })
  /** Where connections were said to have gone, for those that come back. */
  const moves = new WeakMap<Bridge, string>()
  metrics.gauge('users', 'Users with at least one connection to this pod.', {
    collect() {
      this.set(registry.users)
    },
  })
  const router = new Router({
    finder,
    transport,
    nextLane,
    timeoutMs,
    recipientWaitMs: config.RECIPIENT_WAIT_MS,
    maxQueueBytes: outgoing,
    receipts,
    log,
    metrics,
  })
  return {
    router,
    inbox: new MessageReceiver({
      delivery,
      locationCache,
      knownPeers,
      ended: id => senders.close(id, 'sender'),
      windowBytes: maxQueueBytes,
      memory: part(DEDUPLICATION_SHARE, deduplication),
      metrics,
    }),
    connections,
    async idle(bridge, user) {
      await router.idle(bridge)
      if (user !== undefined) await senders.writers.settle(user, READ_MS)
    },
    closeSenders: () => senders.closeAll('shutdown'),
    connected(user, bridge, key) {
      // Where else they are stays known: they may have more connections.
      registry.add(user, bridge, key)
      announcer.connected(user)
    },
    arriving: (user, bridge, key) => registry.add(user, bridge, key, true),
    taken(user, bridge) {
      registry.settle(user, bridge)
      announcer.connected(user)
    },
    disconnected(user, bridge) {
      leaving.remove(user, bridge)
      registry.remove(user, bridge)
    },
    moved(user, bridge, name) {
      registry.remove(user, bridge)
      leaving.add(user, bridge)
      // The balancer's list may be newer than ours.
      locationCache.announced(name, [user])
      moves.set(bridge, name)
      void this.confirm(name).then(member => {
        if (member) announcer.moved(user, member)
      })
    },
    async confirm(name) {
      const known = knownPeers.get(name)
      const host = known ? undefined : hostOf(name)
      if (host !== undefined && (await confirm?.(host))) knownPeers.addVerified(name)
      return knownPeers.get(name)
    },
    stayed(user, bridge, key) {
      const there = moves.get(bridge)
      if (there !== undefined) locationCache.invalidate(user, there)
      leaving.remove(user, bridge)
      this.connected(user, bridge, key)
    },
    unparsed(bridge, direction, why) {
      unparsed.inc({ reason: why })
      if (direction === 'inbound') receipts?.sendUnparsed(bridge)
    },
    membersChanged(list) {
      history.record(list)
      announcer.membersChanged()
    },
    stop() {
      announcer.stop()
      senders.stop()
      transport.close()
    },
  }
}

/** `undefined` for what is no member's name. */
function hostOf(name: string): string | undefined {
  try {
    return parseMember(name).host
  } catch {
    return undefined
  }
}
