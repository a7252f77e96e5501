import type { SendResult } from '../../lib/bridge/bridge.ts'
import type { Presence } from '../connections/registry.ts'

/** Cap on the bytes of one message's copies that are written to a user's connections at the same time. */
const MAX_COPIED_BYTES = 1_048_576

/**
 * Writes a message to several connections, concurrently as far as memory allows, fastest readers first. The number of
 * writes started per event-loop turn is limited, so that a large message does not delay others.
 *
 * @param taken called when the first connection has taken the message
 * @returns `sent` as soon as one connection has taken it, and the others follow; `full` if none has and at least one
 *   queue is full
 */
export function fanOut(
  to: readonly Presence[],
  bytes: number,
  send: (presence: Presence) => Promise<SendResult>,
  taken: () => void = () => {},
): Promise<SendResult> {
  const atOnce = Math.max(1, Math.floor(MAX_COPIED_BYTES / Math.max(1, bytes)))
  const waiting = to.length > atOnce ? readersFirst(to) : to
  const { promise, resolve, reject } = Promise.withResolvers<SendResult>()
  let next = 0
  // Released once all writes have begun, so that a slow connection does not keep the message alive for the others.
  let write: typeof send | undefined = send
  let open = waiting.length
  let isTaken = false
  let worst: SendResult = 'closed'
  const done = (result: SendResult) => {
    if (result === 'sent') {
      if (!isTaken) taken()
      isTaken = true
      resolve(result)
    } else if (result === 'full') worst = result
    if (--open === 0) resolve(worst)
    else begin()
  }
  /** Number of writes begun in this turn, and number of writes postponed to the next. */
  let [begun, owed] = [0, 0]
  const turn = () => {
    const count = owed
    begun = 0
    owed = 0
    for (let n = 0; n < count; n++) begin()
  }
  const begin = () => {
    if (begun >= atOnce && next < waiting.length) {
      if (owed++ === 0) setImmediate(turn)
      return
    }
    begun++
    const presence = waiting[next++]
    if (presence) write?.(presence).then(done, reject)
    if (next >= waiting.length) write = undefined
  }
  for (let n = 0; n < atOnce && n < waiting.length; n++) begin()
  return promise
}

const readersFirst = (to: readonly Presence[]): Presence[] =>
  [...to].sort((a, b) => a.bridge.queuedBytes('client') - b.bridge.queuedBytes('client'))
