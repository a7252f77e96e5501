import type { Answer, Outcome } from '../../transport/outcome.ts'

/**
 * What follows the answer of an asked member: the reply's outcome, or a further search. The latter may have a new
 * verdict, which is the outcome if no time is left, and a newer location of the client.
 */
export type ReplyStep =
  | { readonly outcome: Outcome }
  | { readonly verdict: Outcome | undefined; readonly location: string | undefined }

/**
 * Decides how a reply goes on.
 *
 * @param asked member that answered
 * @param location the client's location as of now: if it changed meanwhile, the sender's own last message changed it,
 *   which is newer than what other members know
 */
export function replyStep(answer: Answer, asked: string, location: string): ReplyStep {
  const isCurrent = location === asked
  if (answer === 'no_owner') return { verdict: answer, location: undefined }
  if (answer === 'offline' && !isCurrent) return { verdict: undefined, location: undefined }
  if (typeof answer === 'string') return { outcome: answer }
  if (answer.member === asked) return { outcome: 'offline' }
  return { verdict: 'offline', location: isCurrent ? answer.member : undefined }
}
