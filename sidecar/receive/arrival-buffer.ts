import type { MemoryAccount } from '../../lib/service/memory/budget.ts'
import { detach } from '../../lib/websocket/message.ts'
import type { LocalMessage } from './local-message.ts'

/** What a message that waits costs beyond its payload, so that empty ones are not free. */
const MESSAGE_OVERHEAD_BYTES = 256

/** Part of the room that messages to one user may fill, but for a single one: one client that does not come must not cost the others. */
const USER_SHARE = 1 / 4

/** Messages that wait for clients that are arriving, in bounded memory. */
export class ArrivalBuffer {
  readonly #maxBytes: number
  #bytes = 0
  readonly #ofUser = new Map<string, number>()

  readonly #account: Pick<MemoryAccount, 'change'> | undefined

  /** @param account of the memory that it takes */
  constructor(maxBytes: number, account?: Pick<MemoryAccount, 'change'>) {
    this.#maxBytes = maxBytes
    this.#account = account
  }

  /**
   * Keeps a letter until something has happened, and then goes on with it.
   *
   * @param full the answer where there is no room, or it takes too long: then the letter goes nowhere from here
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

/** Whether something happens before the time is over. */
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
