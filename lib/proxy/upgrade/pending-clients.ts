import type { Socket } from 'node:net'

/** Clients whose handshake is unanswered or was refused. */
export class PendingClients {
  readonly #clients = new Set<Socket>()
  readonly #onClose: (this: Socket) => void

  constructor() {
    const clients = this.#clients
    // One listener for all sockets: a closure per socket would retain the handshake request for the life of the
    // connection.
    this.#onClose = function (this: Socket) {
      clients.delete(this)
    }
  }

  /** Takes over a client's socket, whose errors are ignored from now on. */
  add(client: Socket): void {
    // Node removes its own listener before `upgrade`; without one, a reset would crash the process.
    client.on('error', ignore)
    client.on('close', this.#onClose)
    client.setNoDelay(true)
    client.setTimeout(0)
    this.#clients.add(client)
  }

  get all(): ReadonlySet<Socket> {
    return this.#clients
  }

  /** Hands a client over to its bridge. */
  release(client: Socket): void {
    client.off('error', ignore)
    client.off('close', this.#onClose)
    this.#clients.delete(client)
  }

  /** Destroys all, because a closing server waits for each connection and a refused client could keep its own open. */
  destroyAll(): void {
    for (const client of this.#clients) client.destroy()
  }
}

function ignore(): void {}
