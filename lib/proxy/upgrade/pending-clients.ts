import type { Socket } from 'node:net'

/** Clients whose handshake has no answer yet, or was refused. */
export class PendingClients {
  readonly #clients = new Set<Socket>()
  readonly #onClose: (this: Socket) => void

  constructor() {
    const clients = this.#clients
    // One listener for all sockets: one of its own would keep the handshake's request for as long as the connection lasts.
    this.#onClose = function (this: Socket) {
      clients.delete(this)
    }
  }

  /** Takes over a client's socket, whose errors are ignored from now on. */
  add(client: Socket): void {
    // Node removes its own listener before `upgrade`; without one, a reset would end the process.
    client.on('error', ignore)
    client.on('close', this.#onClose)
    client.setNoDelay(true)
    client.setTimeout(0)
    this.#clients.add(client)
  }

  /** Gives a client to its bridge. */
  release(client: Socket): void {
    client.off('error', ignore)
    client.off('close', this.#onClose)
    this.#clients.delete(client)
  }

  /** A server that closes waits for each connection, however long a refused client keeps its own open. */
  destroyAll(): void {
    for (const client of this.#clients) client.destroy()
  }
}

function ignore(): void {}
