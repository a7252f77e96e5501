import type { Member } from '../../routing/members.ts'
import type { Message } from '../message.ts'
import type { Deliver, Outcome } from '../outcome.ts'

/** Carries addressed messages to the sidecar of another pod. */
export interface Transport {
  /**
   * Sends one message to a member and waits for what became of it. Never throws; a message that was sent before for the same
   * recipient must have its outcome first, or their order is not kept.
   *
   * @param signal ends the waiting; the outcome is then `timeout`
   */
  send(member: Member, user: string, deliver: Deliver, message: Message, signal: AbortSignal): Promise<Outcome>
  close(): void
}
