import type { Member } from '../../lib/routing/members.ts'
import type { Message } from '../../lib/websocket/message.ts'
import type { Deadline } from './deadline.ts'
import type { Answer, Deliver } from './outcome.ts'

/** The client's connection that a message came in on. */
export interface Origin {
  /** As `createConnectionId` makes it; the same on each pod that the client is moved to. */
  readonly id: string
  /** Its opening handshake, as the app of its pod got it; `undefined`: the receiver is believed to know it. */
  readonly handshake: Buffer | undefined
}

/** A message as one sidecar hands it to another. */
export interface RoutedMessage {
  /** The recipient; of a reply, the id of the connection that it is for. */
  readonly user: string
  readonly deliver: Deliver
  readonly message: Message
  /** Number of the way from one sender to one recipient, unique in the sending process; 32 bits. */
  readonly lane: number
  /** Nothing of this lane is under way: whatever became of earlier messages, this one may be delivered. */
  readonly start: boolean
  /**
   * Of a copy, for further connections of a user who is also connected where the message went: the keys of the connections that have
   * it there. It goes no further. `undefined`: it is no copy.
   */
  readonly deliveredTo: readonly string[] | undefined
  /** Of a message that is delivered as its sender's. */
  readonly origin?: Origin | undefined
  /** Name of the member that handed it over; `undefined`: this one. */
  readonly via?: string | undefined
}

/** A letter at its receiver. */
export interface IncomingMessage extends RoutedMessage {
  /** Unique among the sender's recent messages, and higher than those before (RFC 1982 serial numbers); 32 bits. */
  readonly id: number
  /** It was sent before on a connection that broke, and may have arrived. */
  readonly repeated: boolean
}

/** Carries addressed messages to the sidecar of another pod. */
export interface Transport {
  /**
   * Sends one message to a member and waits for what became of it. Never throws, and never delivers a message twice. `no_owner`:
   * it was not delivered, and the member cannot be reached; `timeout`: no answer has come, and nobody knows whether it arrived.
   *
   * Two messages for the same recipient keep their order if the first has its answer before the second is sent, or if
   * {@link pipelines} holds.
   *
   * @param deadline ends the waiting; the answer is then `timeout`, or `no_owner` where nothing was sent
   */
  send(member: Member, routed: RoutedMessage, deadline: Deadline): Promise<Answer>
  /**
   * Tells a member which users are connected to this pod.
   *
   * @returns whether the member has heard it; never throws
   */
  announce(member: Member, users: readonly string[], deadline: Deadline): Promise<boolean>
  /** Tells a member that a connection which has sent messages there has ended. Nobody learns whether it was heard. */
  end(member: Member, connection: string): void
  /** Whether a message that is sent to a member now arrives after all that were sent to it before and have no answer yet. */
  pipelines(member: Member): boolean
  close(): void
}

/** Who a sidecar says it is to other sidecars. */
export interface TransportIdentity {
  /** Its member name. */
  readonly self: string
  /** Shown to the other sidecar; empty: none. */
  readonly token: string
  /** Whose sidecar it is, and who is meant: `namespace/name` of the Deployment. */
  readonly target?: string
}

/** What the other end of a transport remembers of one sending process. */
export interface Session {
  /** Takes a letter from a connection that keeps the order and may repeat it. */
  receive(incoming: IncomingMessage): Answer | Promise<Answer>
  /** Takes a letter that came by itself, perhaps late: one that is older than what came after it is not delivered. */
  receiveLoose(incoming: IncomingMessage): Answer | Promise<Answer>
}

/** The other end of a transport. */
export interface Receiver {
  /** 16 bytes that no other process has: what was sent to another one is not known here. */
  readonly boot: Buffer
  /**
   * What is remembered of a sending process; it is forgotten some minutes after it was last asked for.
   *
   * @param sender the name that the process has made up for itself
   * @param inlet what was got for it before, and is still in use: it is not forgotten
   */
  from(sender: string, inlet?: Session): Session
  /** Delivers a message of somebody who keeps no lanes and repeats nothing. */
  receive(routed: Omit<RoutedMessage, 'lane' | 'start'>): Answer | Promise<Answer>
  /** A sidecar has proven that this is its member name: what is said to be there may be sent there. */
  addVerified(member: string): void
  /** Whether this is the name of a member. */
  knows(member: string): boolean
  /** Learns that users are connected to a member. */
  announced(member: string, users: readonly string[]): void
  /** A connection that has sent messages here has ended. */
  ended(connection: string): void
}
