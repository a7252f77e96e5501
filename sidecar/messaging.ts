import type { Bridge } from '../lib/bridge/bridge.ts'
import { type Member, parseMember } from '../lib/routing/members.ts'
import type { MemberSet } from '../lib/routing/rendezvous.ts'
import type { Unparsed } from '../lib/websocket/addressing/address-finder.ts'
import type { Direction } from '../lib/websocket/message.ts'
import type { MessagingConfig } from './config.ts'
import { ServedUsers } from './connections/served-users.ts'
import { createCore, type MessagingCore, type MessagingDeps } from './messaging-core.ts'
import { Announcer } from './peers/announcer.ts'
import { createReceiving, type Receiving } from './receive/create-receiving.ts'
import { ClientConnections } from './send/client-connections.ts'
import { createSending, type Sending } from './send/create-sending.ts'
import { Receipts } from './send/receipts.ts'
import type { Router } from './send/router.ts'
import type { Receiver } from './transport/transport.ts'

/** Time limit for the app to read messages to a user who is being moved, in milliseconds. */
const READ_MS = 1500

/** Addressed messages and user locations: wires the objects of `send`, `receive` and `peers`. */
export class Messaging {
  /** All clients of this pod, including those without a user. */
  readonly connections: ClientConnections
  readonly users: ServedUsers
  readonly #core: MessagingCore
  readonly #confirmHost: MessagingDeps['confirm']
  readonly #receipts: Receipts | undefined
  readonly #receiving: Receiving
  readonly #sending: Sending
  readonly #announcer: Announcer
  readonly #unparsed

  constructor(config: MessagingConfig, deps: MessagingDeps) {
    const { metrics } = deps
    this.#confirmHost = deps.confirm
    this.#core = createCore(config, deps)
    this.connections = this.#createConnections()
    this.#receipts = config.RECEIPTS ? new Receipts(config.RECIPIENT_FIELD, metrics) : undefined
    this.#unparsed = metrics.counter(
      'messages_unparsed_total',
      'Messages that may be addressed but passed without being examined completely, by reason.',
      { labelNames: ['reason'] },
    )
    this.#receiving = createReceiving(this.#core, this.connections, {
      router: () => this.#sending.router,
      relay: () => this.#sending.relay,
      unparsed: reason => this.#unparsed.inc({ reason }),
    })
    const { senders, delivery, leaving } = this.#receiving
    this.#sending = createSending(this.#core, {
      delivery,
      originOf: id => this.connections.originOf(id) ?? senders.originOf(id),
      receipts: this.#receipts,
    })
    this.#announcer = createAnnouncer(this.#core)
    const { registry, locationCache } = this.#core
    const confirm = (name: string) => this.confirm(name)
    this.users = new ServedUsers({ registry, locationCache, leaving, announcer: this.#announcer, confirm })
    metrics.gauge('users', 'Users with at least one connection to this pod.', {
      collect() {
        this.set(registry.users)
      },
    })
  }

  get router(): Router {
    return this.#sending.router
  }

  /** Receives the messages of other sidecars. */
  get inbox(): Receiver {
    return this.#receiving.inbox
  }

  /** Resolves when no message of this client is in flight and the app has read the messages to its user. */
  async idle(bridge: Bridge, user: string | undefined): Promise<void> {
    await this.router.idle(bridge)
    if (user !== undefined) await this.#receiving.senders.writers.settle(user, READ_MS)
  }

  /** Closes the connections that stand for clients of other pods: none of their recipients is left on this pod. */
  closeSenders(): void {
    this.#receiving.senders.closeAll('shutdown')
  }

  /** Counts a message that may be addressed but passed unread; its sender is told if it wants receipts. */
  unparsed(bridge: Bridge, direction: Direction, reason: Unparsed): void {
    this.#unparsed.inc({ reason })
    if (direction === 'inbound') this.#receipts?.sendUnparsed(bridge)
  }

  /** The member with this name; an unlisted host is looked up, and known from then on if it is a member. */
  async confirm(name: string): Promise<Member | undefined> {
    const { knownPeers } = this.#core
    const host = knownPeers.get(name) ? undefined : hostOf(name)
    if (host !== undefined && (await this.#confirmHost?.(host))) knownPeers.addVerified(name)
    return knownPeers.get(name)
  }

  /** Called with the members at the start and after every change. */
  membersChanged(members: MemberSet): void {
    this.#core.history.record(members)
    this.#announcer.membersChanged()
  }

  stop(): void {
    this.#announcer.stop()
    this.#receiving.senders.stop()
    this.#core.transport.close()
  }

  #createConnections(): ClientConnections {
    const { transport, shares } = this.#core
    return new ClientConnections(
      (bridge, origin) => {
        // Its last messages are still in flight.
        void this.router.idle(bridge).then(() => {
          this.#receiving.senders.close(origin.id, 'sender')
          transport.endAll(origin)
        })
      },
      id => this.#receiving.senders.close(id, 'own'),
      undefined,
      shares.locations,
    )
  }
}

function createAnnouncer(core: MessagingCore): Announcer {
  const { config, members, history, knownPeers, registry, locationCache, transport, shares, metrics } = core
  return new Announcer({
    self: config.SELF,
    members,
    settled: ms => history.settled(ms),
    known: user => locationCache.members(user).flatMap(name => knownPeers.get(name) ?? []),
    registry,
    transport,
    memory: shares.announcements,
    metrics,
  })
}

/** Host of a member name; `undefined` if the name is invalid. */
function hostOf(name: string): string | undefined {
  try {
    return parseMember(name).host
  } catch {
    return undefined
  }
}
