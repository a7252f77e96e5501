import type { Member } from '../members.ts'

/** Takes what a source of members finds out. Each call is one answer of the source, or one attempt that failed. */
export interface MemberSink {
  /** All members there are now. */
  answer(members: readonly Member[]): void
  /** Nothing could be found out; the message says where and why. */
  failed(error: Error): void
}

/**
 * Somewhere that knows the members. It runs until the signal is aborted, keeps trying after a failure, and tells every answer
 * and every failure; what an empty answer means is not its business. It resolves when it has stopped, and never rejects.
 */
export type MemberSource = (sink: MemberSink, signal: AbortSignal) => Promise<void>
