import { MemberHistory } from '../lib/routing/history.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import type { Logger } from '../lib/service/log.ts'
import type { Metrics } from '../lib/service/metrics.ts'
import { ownToken } from '../lib/service/token.ts'
import type { Bridge } from '../lib/wire/bridge.ts'
import { createHttpTransport } from '../lib/wire/transport/http.ts'
import { createLinkTransport } from '../lib/wire/transport/link.ts'
import { serialNumbers } from '../lib/wire/transport/serial-numbers.ts'
import type { Inbox } from '../lib/wire/transport/transport.ts'
import { Acquaintances } from './acquaintances.ts'
import { Announcer } from './announcer.ts'
import type { SidecarConfig } from './config.ts'
import { Delivery } from './deliver.ts'
import { Finder } from './finder.ts'
import { Intake } from './intake.ts'
import { Receipts } from './receipts.ts'
import { Registry } from './registry.ts'
import { Relay } from './relay.ts'
import { Router } from './router.ts'
import { Whereabouts } from './whereabouts.ts'

export type MessagingConfig = Pick<
  SidecarConfig,
  | 'SELF'
  | 'TOKEN'
  | 'TRANSPORT'
  | 'DELIVER_TIMEOUT_MS'
  | 'RECIPIENT_WAIT_MS'
  | 'MAX_QUEUE_BYTES'
  | 'RECEIPTS'
  | 'RECIPIENT_FIELD'
>

/** Everything about addressed messages, and who is where. */
export interface Messaging {
  readonly router: Router
  /** Takes what other sidecars send. */
  readonly inbox: Inbox
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
  /** To be called with the members at the start, and after every change. */
  membersChanged(members: MemberSet): void
  stop(): void
}

export interface MessagingDeps {
  readonly members: () => MemberSet
  readonly history?: MemberHistory
  readonly log: Logger
  readonly metrics: Metrics
}

export function createMessaging(
  config: MessagingConfig,
  { members, history = new MemberHistory(), log, metrics }: MessagingDeps,
): Messaging {
  const { SELF: self, DELIVER_TIMEOUT_MS: timeoutMs, MAX_QUEUE_BYTES: maxQueueBytes } = config
  const registry = new Registry()
  const token = ownToken(config.TOKEN)
  const acquaintances = new Acquaintances({ members, history, trusting: token === '' })
  const whereabouts = new Whereabouts({ self, isUsable: name => acquaintances.get(name) !== undefined, metrics })
  const transport = (config.TRANSPORT === 'link' ? createLinkTransport : createHttpTransport)({
    self,
    token,
  })
  const nextLane = serialNumbers()
  const owner = (user: string) => members().owner(user)?.name
  const delivery = new Delivery({
    self,
    owner,
    registry,
    whereabouts,
    relay: (...copy) => relay.copy(...copy),
    maxWaitingBytes: maxQueueBytes,
  })
  const finder = new Finder({
    self,
    members,
    history,
    acquaintances,
    registry,
    whereabouts,
    delivery,
    transport,
    timeoutMs,
    metrics,
  })
  const relay = new Relay({ finder, whereabouts, nextLane, timeoutMs, maxBytes: maxQueueBytes, metrics })
  const announcer = new Announcer({ self, members, settled: ms => history.settled(ms), registry, transport, metrics })
  metrics.gauge('users', 'Users with at least one connection to this pod.', {
    collect() {
      this.set(registry.users)
    },
  })
  return {
    router: new Router({
      finder,
      transport,
      nextLane,
      timeoutMs,
      recipientWaitMs: config.RECIPIENT_WAIT_MS,
      maxQueueBytes,
      receipts: config.RECEIPTS ? new Receipts(config.RECIPIENT_FIELD, metrics) : undefined,
      log,
      metrics,
    }),
    inbox: new Intake({ delivery, whereabouts, acquaintances, windowBytes: maxQueueBytes, metrics }),
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
    disconnected: (user, bridge) => registry.remove(user, bridge),
    moved(user, bridge, name) {
      registry.remove(user, bridge)
      // The balancer's list may be newer than ours: that is remembered, and used as soon as the member is known here too.
      whereabouts.set(user, name)
      const member = acquaintances.get(name)
      if (member) announcer.moved(user, member)
    },
    stayed(user, bridge, key) {
      whereabouts.delete(user)
      this.connected(user, bridge, key)
    },
    membersChanged(list) {
      history.record(list)
      announcer.membersChanged()
    },
    stop() {
      announcer.stop()
      transport.close()
    },
  }
}
