import type { Member } from '../../lib/routing/members.ts'
import type { Message } from '../../lib/websocket/message.ts'
import type { Deadline } from './deadline.ts'
import type { Answer, Deliver } from './outcome.ts'

/** The client's connection that a message came in on. */
export interface Origin {
  /** Created by `createConnectionId`; the same on each pod that the client is moved to. */
  readonly id: string
  /** The opening handshake as the client's app received it; `undefined`: the receiver is assumed to know it. */
  readonly handshake: Buffer | undefined
}

/** A message as one sidecar hands it to another. */
export interface RoutedMessage {
  /** The recipient; for a reply, the id of the client's connection. */
  readonly user: string
  readonly deliver: Deliver
  readonly message: Message
  /** Number of the lane from one sender to one recipient, unique in the sending process; 32 bits. */
  readonly lane: number
  /** No message of this lane is in flight: this one may be delivered whatever became of earlier ones. */
  readonly start: boolean
  /**
   * Set on a copy, for further connections of a user who is also connected where the message was delivered: the keys of
   * the connections that have it there. A copy goes no further. `undefined`: no copy.
   */
  readonly deliveredTo: readonly string[] | undefined
  /** Set on a message that is delivered as its sender's. */
  readonly origin?: Origin | undefined
  /** Name of the member that handed the message over; `undefined`: this one. */
  readonly via?: string | undefined
}

/** A message at its receiver. */
export interface IncomingMessage extends RoutedMessage {
  /** Unique among the sender's recent messages, and higher than earlier ids (RFC 1982 serial numbers); 32 bits. */
  readonly id: number
  /** The message was sent before on a connection that broke, and may have arrived. */
  readonly repeated: boolean
}

/** Carries addressed messages to the sidecar of another pod. */
export interface Transport {
  /**
   * Sends one message to a member and waits for its outcome. Never throws, and never delivers a message twice.
   * `no_owner`: not delivered, and the member cannot be reached; `timeout`: no answer came, and the message may have
   * arrived.
   *
   * Two messages for the same recipient keep their order if the first has its answer before the second is sent, or if
   * {@link pipelines} holds.
   *
   * @param deadline ends the wait; the answer is then `timeout`, or `no_owner` if nothing was sent
   */
  send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer>
  /**
   * Tells a member which users are connected to this pod.
   *
   * @returns whether the member has received it; never throws
   */
  announce(member: Member, users: readonly string[], deadline: Deadline): Promise<boolean>
  /** Tells a member that a connection which has sent messages there has ended. The sender gets no confirmation. */
  end(member: Member, connection: string): void
  /** Whether a message sent to a member now arrives after all unanswered messages sent to it before. */
  pipelines(member: Member): boolean
  close(): void
}

/** The identity that a sidecar presents to other sidecars. */
export interface TransportIdentity {
  /** Its member name. */
  readonly self: string
  /** Token presented to the other sidecar; empty: none. */
  readonly token: string
  /** Deployment of the sidecar and of the intended receiver: `namespace/name`. */
  readonly target?: string
}

/** State that the receiving end keeps for one sending process. */
export interface Session {
  /** Receives a message from a connection that keeps the order and may repeat messages. */
  receive(incoming: IncomingMessage): Answer | Promise<Answer>
  /**
   * Receives a message that came on its own, perhaps late: it is not delivered if newer ones of its lane came before
   * it.
   */
  receiveLoose(incoming: IncomingMessage): Answer | Promise<Answer>
}

/** The receiving end of a transport. */
export interface Receiver {
  /** 16 bytes unique to this process: messages sent to another process are unknown here. */
  readonly boot: Buffer
  /**
   * The session of a sending process; it is forgotten some minutes after its last use.
   *
   * @param sender the name that the process has chosen for itself
   * @param session the session returned before and still in use: it is kept
   */
  from(sender: string, session?: Session): Session
  /** Delivers a message of a sender without lanes and repetitions. */
  receive(routed: Omit<RoutedMessage, 'lane' | 'start'>): Answer | Promise<Answer>
  /** Records the proven member name of a sidecar: messages for users located there may be sent to it. */
  addVerified(member: string): void
  /** Whether this is the name of a member. */
  knows(member: string): boolean
  /** Records that users are connected to a member. */
  announced(member: string, users: readonly string[]): void
  /** A connection that has sent messages here has ended. */
  ended(connection: string): void
}
