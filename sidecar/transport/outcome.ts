/** What became of a routed message; each ends in exactly one of these (docs/messages.md). New ones come last: links number them. */
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

/** The recipient is not where the message came to, and it was not delivered. */
export interface Moved {
  /** Name of the member that has the recipient; `undefined`: they were here a moment ago, and nobody knows where they are now. */
  readonly member: string | undefined
  /** The sender's connection is not known there: the message can be sent again, with its handshake. */
  readonly introduce?: true
  /** That pod does not know the sender's pod yet, and has not looked at the message. */
  readonly refused?: true
}

/** What a pod that was asked to deliver a message says; only an outcome can be the end of it. */
export type Answer = Outcome | Moved

export const A_MOMENT_AGO: Moved = Object.freeze({ member: undefined })

export const UNINTRODUCED: Moved = Object.freeze({ member: undefined, introduce: true })

export const REFUSED: Moved = Object.freeze({ member: undefined, refused: true })

/**
 * Where a message goes at the recipient's pod: into the app on a connection of its sender, into the app on one connection of the
 * recipient, or to the recipient's clients. A `reply` goes to one client, whose connection is named instead of a user.
 */
export type Deliver = 'sender' | 'app' | 'client' | 'reply'

/** Statuses of the HTTP transport for a message that was not delivered: {@link Moved}, and of these {@link UNINTRODUCED}. */
export const MISDIRECTED = 421
export const PRECONDITION_REQUIRED = 428

const BY_STATUS: Readonly<Record<number, Outcome>> = {
  204: 'delivered',
  404: 'offline',
  413: 'too_large',
  429: 'slow_consumer',
  503: 'no_owner',
}

/**
 * What an answer of the HTTP transport stands for.
 *
 * @param movedTo the member that the answer names, if it names one
 */
export function answerOfStatus(status: number, movedTo: string | undefined): Answer {
  if (status === MISDIRECTED) return movedTo === undefined ? A_MOMENT_AGO : { member: movedTo }
  if (status === PRECONDITION_REQUIRED) return UNINTRODUCED
  return BY_STATUS[status] ?? 'rejected'
}
