import type { ServerResponse } from 'node:http'
import type { MemoryAccount } from '../service/memory/budget.ts'
import { PLAIN_BYTES } from './proxy-settings.ts'

/** The requests that a server is answering, so that a drain can wait for the last answer. */
export class InFlight {
  readonly #responses = new Set<ServerResponse>()
  #lastOfConnection = false
  #onNone = () => {}
  readonly #account: Pick<MemoryAccount, 'change'>

  /** @param account for the memory of requests in flight; their bodies are streamed */
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

  /**
   * Marks each further answer as the last on its connection, so that the client's next request goes to a server that
   * stays.
   */
  endConnections(): void {
    this.#lastOfConnection = true
    for (const response of this.#responses) response.shouldKeepAlive = false
  }

  /** Resolves when no request is in flight. */
  ended(): Promise<void> {
    return new Promise(resolve => {
      this.#onNone = resolve
      if (this.size === 0) resolve()
    })
  }
}
