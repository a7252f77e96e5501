import type { Member } from '../../routing/members.ts'
import type { Message } from '../message.ts'
import type { Deliver, Outcome } from '../outcome.ts'

/** Carries addressed messages to the sidecar of another pod. */
export interface Transport {
  /**
   * Sends one message to a member and waits for what became of it. Never throws, and never sends a message twice. `no_owner`: it
   * was not sent; `timeout`: no answer has come, because the time was up or the connection broke, and nobody knows whether it
   * arrived.
   *
   * Two messages for the same recipient keep their order if the first has its outcome before the second is sent, or if
   * {@link pipelines} holds.
   *
   * @param signal ends the waiting; the outcome is then `timeout`
   */
  send(member: Member, user: string, deliver: Deliver, message: Message, signal: AbortSignal): Promise<Outcome>
  /** Whether a message that is sent to a member now arrives after all that were sent to it before and have no outcome yet. */
  pipelines(member: Member): boolean
  close(): void
}

/** The other end of a transport: delivers a message to a user who is connected here. */
export type Receive = (user: string, deliver: Deliver, message: Message) => Promise<Outcome>
