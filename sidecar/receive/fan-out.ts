import type { SendResult } from '../../lib/bridge/bridge.ts'
import type { Presence } from '../connections/registry.ts'

/** Bytes of one message that may be on their way to all connections of a user together, in copies of their own. */
const MAX_COPIED_BYTES = 1_048_576

/**
 * Writes a message to several connections, in as many copies at a time as memory is set aside for, first to those whose client
 * reads. No more of them begin in one turn of the event loop: others must not wait for all of a large message.
 *
 * @param taken called when the first one has it
 * @returns `sent` as soon as one has it; the others get it after that. `full`: none has taken it, and one because its queue is full
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
  // Let go of once all have begun: the slowest must not keep what the others have had.
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
  /** Those that have begun in this turn, and those that may begin in the next one. */
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
