import type { Member } from '../members.ts'

/** Receives the results of a source. Each call is one answer or one failed attempt. */
export interface MemberSink {
  /**
   * All current members.
   *
   * @param leaving names of pods that are leaving and are no longer members; absent if the source cannot tell, then
   * unlisted members count as leaving
   * @param unready names of pods that exist but accept no users; absent if the source cannot tell
   */
  answer(members: readonly Member[], leaving?: ReadonlySet<string>, unready?: ReadonlySet<string>): void
  /** An attempt failed; the message says where and why. */
  failed(error: Error): void
}

/**
 * A source of members. Runs until the signal is aborted, retries after failures, and reports every answer and failure;
 * the caller interprets empty answers. Resolves when it has stopped, and never rejects.
 */
export type MemberSource = (sink: MemberSink, signal: AbortSignal) => Promise<void>
