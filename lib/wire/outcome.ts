/** What became of a routed message; each ends in exactly one of these (docs/protocol.md). New ones come last: links number them. */
export const OUTCOMES = [
  'delivered',
  'offline',
  'no_owner',
  'timeout',
  'too_large',
  'slow_consumer',
  'rejected',
] as const

export type Outcome = (typeof OUTCOMES)[number]

/** Where a message goes at the recipient's pod: into the app's connections of that user, or to the user's clients. */
export type Deliver = 'app' | 'client'

const BY_STATUS: Readonly<Record<number, Outcome>> = {
  204: 'delivered',
  404: 'offline',
  413: 'too_large',
  429: 'slow_consumer',
  503: 'no_owner',
}

/** The outcome that an answer of the HTTP transport stands for. */
export function outcomeOfStatus(status: number): Outcome {
  return BY_STATUS[status] ?? 'rejected'
}
