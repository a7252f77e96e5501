import type { Member } from '../members.ts'

/** Takes what a source of members finds out. Each call is one answer of the source, or one attempt that failed. */
export interface MemberSink {
  /**
   * All members there are now.
   *
   * @param leaving names of those that are on their way out, which are no members any more; absent where the source cannot tell:
   *   then whoever is not listed any more is taken to leave
   * @param unready names of those that are there and take nobody; absent where the source cannot tell
   */
  answer(members: readonly Member[], leaving?: ReadonlySet<string>, unready?: ReadonlySet<string>): void
  /** Nothing could be found out; the message says where and why. */
  failed(error: Error): void
}

/**
 * Somewhere that knows the members. It runs until the signal is aborted, keeps trying after a failure, and tells every answer
 * and every failure; what an empty answer means is not its business. It resolves when it has stopped, and never rejects.
 */
export type MemberSource = (sink: MemberSink, signal: AbortSignal) => Promise<void>
