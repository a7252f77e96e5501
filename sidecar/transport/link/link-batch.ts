import type { Allotment } from '../../../lib/service/memory/allotment.ts'
import type { Outcome } from '../outcome.ts'
import type { InFlightMessage } from './in-flight-message.ts'
import { END_BYTES } from './link-frames.ts'

/** Limits of one write on a link. Sizes are in bytes. */
export interface WriteRoom {
  /** Frame version that the other end reads, and its largest payload. */
  readonly version: number
  readonly maxMessageBytes: number
  /** Bytes that the other end takes before it acknowledges some, and sent bytes that it has not acknowledged. */
  readonly windowBytes: number
  readonly unread: number
  /** Bytes of earlier writes that the kernel has not taken, and the memory for them. */
  readonly buffered: number
  readonly memory: Pick<Allotment, 'has'> | undefined
}

/** The messages to write next, those that the other end cannot accept, and the bytes of the former. */
export interface Batch {
  readonly messages: readonly InFlightMessage[]
  readonly refused: readonly { readonly message: InFlightMessage; readonly outcome: Outcome }[]
  readonly messageBytes: number
}

/** Chooses the messages of the next write, in their order, as far as window and memory allow. */
export function nextBatch(waiting: Iterable<InFlightMessage>, room: WriteRoom): Batch {
  const messages: InFlightMessage[] = []
  const refused: { message: InFlightMessage; outcome: Outcome }[] = []
  let messageBytes = 0
  for (const message of waiting) {
    const outcome = message.refusal(room.version, room.maxMessageBytes)
    if (outcome) refused.push({ message, outcome })
    else if (fits(message.bytes, messageBytes, room)) {
      messages.push(message)
      messageBytes += message.bytes
    } else break
  }
  return { messages, refused, messageBytes }
}

/** Number of ends of connections that fit behind a batch: the other end breaks the link if its window is exceeded. */
export function endsWithin({ windowBytes, unread }: WriteRoom, messageBytes: number): number {
  return Math.max(0, Math.floor((windowBytes - unread - messageBytes) / END_BYTES))
}

function fits(bytes: number, before: number, { windowBytes, unread, buffered, memory }: WriteRoom): boolean {
  const ahead = unread + before
  // A message larger than the window may be sent alone.
  if (ahead > 0 && ahead + bytes > windowBytes) return false
  // Without memory, waiting messages follow as the kernel takes earlier writes.
  return buffered + before === 0 || memory?.has(before + bytes) !== false
}
