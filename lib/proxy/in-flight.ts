import type { ServerResponse } from 'node:http'
import type { MemoryAccount } from '../service/memory/budget.ts'
import { PLAIN_BYTES } from './proxy-settings.ts'

/** The requests that a server is answering, so that it can end when the last of them has its answer. */
export class InFlight {
  readonly #responses = new Set<ServerResponse>()
  #lastOfConnection = false
  #onNone = () => {}
  readonly #account: Pick<MemoryAccount, 'change'>

  /** @param account of what is in our memory of requests and answers: both are streams */
  constructor(account: Pick<MemoryAccount, 'change'>) {
    this.#account = account
  }

  get size(): number {
    return this.#responses.size
  }

  add(response: ServerResponse): void {
    this.#responses.add(response)
    this.#account.change(PLAIN_BYTES)
    if (this.#lastOfConnection) response.shouldKeepAlive = false
    response.once('close', () => {
      this.#responses.delete(response)
      this.#account.change(-PLAIN_BYTES)
      if (this.size === 0) this.#onNone()
    })
  }

  /** From now on each answer says that it is the last on its connection, so that whoever asks again asks somebody who stays. */
  endConnections(): void {
    this.#lastOfConnection = true
    for (const response of this.#responses) response.shouldKeepAlive = false
  }

  /** Resolves when none is left. */
  ended(): Promise<void> {
    return new Promise(resolve => {
      this.#onNone = resolve
      if (this.size === 0) resolve()
    })
  }
}
