import type { Socket } from 'node:net'
import type { Guarded } from '../../bridge/memory-guard.ts'

/** A side without a socket of interest: the kernel has no queues for it. */
const NO_SOCKET: Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'> = {
  remoteAddress: undefined,
  remotePort: undefined,
}

/**
 * A client connection without a bridge, as the memory guard sees it: plain requests, a handshake that waits for its
 * upstream, a refusal. Its flow control is Node's, which does not know the queues of the kernel, so it can only be
 * closed; its upstream's connection ends with it.
 */
export class ClientWithoutBridge implements Guarded {
  readonly #client: Socket
  readonly #onEvicted: () => void

  constructor(client: Socket, onEvicted: () => void) {
    this.#client = client
    this.#onEvicted = onEvicted
  }

  get state(): 'open' | 'closed' {
    return this.#client.destroyed ? 'closed' : 'open'
  }

  get heldBytes(): number {
    return this.#client.writableLength
  }

  socket(side: 'client' | 'upstream'): Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'> {
    return side === 'client' ? this.#client : NO_SOCKET
  }

  restrain(): void {}

  evict(): void {
    this.#onEvicted()
    this.#client.destroy()
  }
}
