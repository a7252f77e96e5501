import type { MemoryAccount } from '../../lib/service/memory/budget.ts'
import { detach } from '../../lib/websocket/message.ts'
import type { LocalMessage } from './local-message.ts'

/** Cost of a waiting message beyond its payload, so that empty messages are not free. */
const MESSAGE_OVERHEAD_BYTES = 256

/**
 * Share of the buffer for messages to one user, except for a single message: an absent client must not block others.
 */
const USER_SHARE = 1 / 4

/** Buffers messages for arriving clients, in bounded memory. */
export class ArrivalBuffer {
  readonly #maxBytes: number
  #bytes = 0
  readonly #ofUser = new Map<string, number>()

  readonly #account: Pick<MemoryAccount, 'change'> | undefined

  /** @param account memory account that the buffer is charged to */
  constructor(maxBytes: number, account?: Pick<MemoryAccount, 'change'>) {
    this.#maxBytes = maxBytes
    this.#account = account
  }

  /**
   * Keeps a message until an event, then continues with it.
   *
   * @param full the answer if there is no room or the wait takes too long; the message is then dropped here
   * @param limitMs longest time to wait, in milliseconds
   */
  wait<T>(
    routed: LocalMessage,
    until: Promise<unknown>,
    full: T,
    then: (kept: LocalMessage) => T | Promise<T>,
    limitMs?: number,
  ): Promise<T> {
    const { user, message } = routed
    const bytes = message.data.length + MESSAGE_OVERHEAD_BYTES
    if (!this.#hasRoom(user, bytes)) return Promise.resolve(full)
    this.#book(user, bytes)
    const kept = { ...routed, message: detach(message) }
    return inTime(until, limitMs).then(isInTime => {
      this.#book(user, -bytes)
      return isInTime ? then(kept) : full
    })
  }

  #hasRoom(user: string, bytes: number): boolean {
    const own = this.#ofUser.get(user)
    if (this.#bytes + bytes > this.#maxBytes) return false
    return own === undefined || own + bytes <= this.#maxBytes * USER_SHARE
  }

  #book(user: string, bytes: number): void {
    this.#bytes += bytes
    this.#account?.change(bytes)
    const own = (this.#ofUser.get(user) ?? 0) + bytes
    if (own > 0) this.#ofUser.set(user, own)
    else this.#ofUser.delete(user)
  }
}

/** Whether the event happens within the time limit. */
async function inTime(event: Promise<unknown>, limitMs: number | undefined): Promise<boolean> {
  if (limitMs === undefined) return event.then(() => true)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<boolean>(resolve => {
    timer = setTimeout(resolve, Math.max(0, limitMs), false)
  })
  try {
    return await Promise.race([event.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}
