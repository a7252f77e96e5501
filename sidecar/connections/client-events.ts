import type { Bridge, BridgeEnd } from '../../lib/bridge/bridge.ts'
import type { Opening } from '../../lib/proxy/plan.ts'
import type { Logger } from '../../lib/service/log/log.ts'
import type { Direction, Message } from '../../lib/websocket/message.ts'
import type { SidecarConfig } from '../config.ts'
import type { Messaging } from '../messaging.ts'
import { introduce } from '../receive/shadows/introduction.ts'
import type { Sender } from '../send/router.ts'
import type { Identity } from './handshake-plan.ts'

type Connection = Bridge<Identity>

export interface ClientEventsOptions {
  readonly config: Pick<SidecarConfig, 'DELIVER' | 'ROUTE'>
  readonly messaging: Messaging
  readonly log: Logger
}

/** Passes connection events of this pod's clients to the messaging of users, and logs them. */
export class ClientEvents {
  readonly #options: ClientEventsOptions
  /** Handshakes are kept if other pods repeat them in order to deliver the client's messages as its own. */
  readonly #keepsHandshakes: boolean

  constructor(options: ClientEventsOptions) {
    this.#options = options
    const { DELIVER, ROUTE } = options.config
    this.#keepsHandshakes = DELIVER === 'sender' && ROUTE !== 'outbound'
  }

  opened(connection: Connection, opening: Opening): void {
    const { messaging, log } = this.#options
    const { id, user, key, pending } = connection.context
    const handshake = this.#keepsHandshakes ? introduce(opening.handshake, user) : undefined
    messaging.connections.add(connection, { id, handshake }, pending)
    if (user !== undefined) messaging.users[pending ? 'pending' : 'connected'](user, connection, key)
    log.debug({ user, connection: id, arriving: pending }, 'connected')
  }

  closed(connection: Connection, end: BridgeEnd): void {
    const { messaging, log } = this.#options
    const { user, id } = connection.context
    messaging.connections.remove(connection)
    if (user !== undefined) messaging.users.disconnected(user, connection)
    const isOurs = end.cause === 'no_room' || end.cause === 'slow_message'
    log[isOurs ? 'warn' : 'debug']({ user, connection: id, ...end }, 'disconnected')
  }

  /** A client, or the app on a client's connection, has written to another user. */
  addressed(connection: Connection, direction: Direction, recipient: string, message: Message): void {
    const { config, messaging } = this.#options
    const fromClient = direction === 'inbound'
    const sender: Sender = {
      bridge: connection,
      side: fromClient ? 'client' : 'upstream',
      user: connection.context.user ?? '',
      origin: fromClient && config.DELIVER === 'sender' ? messaging.connections.origin(connection) : undefined,
    }
    messaging.router.route(sender, recipient, fromClient ? config.DELIVER : 'client', message)
  }

  /** Another member serves the client from now on. */
  movedTo(connection: Connection, member: string): void {
    const { messaging, log } = this.#options
    const { user } = connection.context
    messaging.connections.moved(connection, member)
    if (user !== undefined) messaging.users.moved(user, connection, member)
    log.debug({ user, member }, 'moved')
  }

  /** The client's announced move was cancelled: it stays here. */
  stayed(connection: Connection): void {
    const { messaging, log } = this.#options
    const { user, key } = connection.context
    messaging.connections.stayed(connection)
    if (user !== undefined) messaging.users.stayed(user, connection, key)
    log.debug({ user }, 'stayed')
  }

  /** An arriving client is now served here. */
  taken(connection: Connection): void {
    const { messaging, log } = this.#options
    const { user } = connection.context
    messaging.connections.taken(connection)
    if (user !== undefined) messaging.users.taken(user, connection)
    log.debug({ user }, 'taken')
  }
}
