/** Outcomes of a routed message; each ends in exactly one (docs/messages.md). Append new ones: links number them. */
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

/** The recipient is not at the pod that was asked, and the message was not delivered. */
export interface Moved {
  /**
   * Name of the member that has the recipient; `undefined`: the recipient was here recently, and is at an unknown
   * place.
   */
  readonly member: string | undefined
  /** The sender's connection is unknown there: the message can be sent again with its handshake. */
  readonly introduce?: true
  /** That pod does not know the sender's pod yet, and has not examined the message. */
  readonly refused?: true
}

/** Answer of a pod that was asked to deliver a message; only an outcome is final. */
export type Answer = Outcome | Moved

export const A_MOMENT_AGO: Moved = Object.freeze({ member: undefined })

export const UNINTRODUCED: Moved = Object.freeze({ member: undefined, introduce: true })

export const REFUSED: Moved = Object.freeze({ member: undefined, refused: true })

/**
 * Destination of a message at the recipient's pod: into the app on a connection of its sender, into the app on one
 * connection of the recipient, or to the recipient's clients. A `reply` goes to one client, named by its connection.
 */
export type Deliver = 'sender' | 'app' | 'client' | 'reply'

/** HTTP statuses of an undelivered message: {@link Moved}, and its special case {@link UNINTRODUCED}. */
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
 * The answer that an HTTP response stands for.
 *
 * @param movedTo the member that the response names, if any
 */
export function answerOfStatus(status: number, movedTo: string | undefined): Answer {
  if (status === MISDIRECTED) return movedTo === undefined ? A_MOMENT_AGO : { member: movedTo }
  if (status === PRECONDITION_REQUIRED) return UNINTRODUCED
  return BY_STATUS[status] ?? 'rejected'
}
