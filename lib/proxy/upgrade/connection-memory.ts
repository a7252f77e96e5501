import type { Socket } from 'node:net'
import type { MemoryAccount } from '../../service/memory/budget.ts'

/** Memory of an idle connection in bytes: both sockets, including the kernel's part. */
export const CONNECTION_BYTES = 20_480

/** Accounts for the memory of client connections, from accept to close. */
export class ConnectionMemory {
  readonly #account: Pick<MemoryAccount, 'change'>
  readonly #handshakes = new WeakMap<Socket, number>()
  readonly #onClose: (this: Socket) => void

  constructor(account: Pick<MemoryAccount, 'change'>) {
    this.#account = account
    const handshakes = this.#handshakes
    // One listener for all sockets.
    this.#onClose = function (this: Socket) {
      account.change(-CONNECTION_BYTES - (handshakes.get(this) ?? 0))
    }
  }

  /** Counts an accepted socket. Its handshake may never end, and then it costs as much as a connection. */
  accepted(client: Socket): void {
    this.#account.change(CONNECTION_BYTES)
    client.once('close', this.#onClose)
  }

  /** Counts the handshake of a connection, which is kept for the next upstream. */
  keepHandshake(client: Socket, bytes: number): void {
    if (client.closed) return
    this.#handshakes.set(client, bytes)
    this.#account.change(bytes)
  }
}
