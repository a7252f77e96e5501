import type { Socket, TcpNetConnectOpts } from 'node:net'
import type { DuplexOptions } from 'node:stream'
import { connectLending, lend, type ReadMode } from './read-buffer.ts'

/** Memory reserved for each socket that is read fast: more than twice what the kernel may buffer for it by default. */
const FAST_SOCKET_BYTES = 16 << 20

/**
 * Decides how sockets are read: fast while memory suffices for the enlarged receive buffers of the kernel, cautiously
 * beyond that. Each socket keeps its mode until it closes.
 */
export class SocketReads {
  #fastLeft: number

  /** @param memoryBytes memory budget of the process, in bytes; may be infinite */
  constructor(memoryBytes: number) {
    this.#fastLeft = Math.floor(memoryBytes / FAST_SOCKET_BYTES)
  }

  /** As {@link connectLending}. */
  connect(options: TcpNetConnectOpts & DuplexOptions): Socket {
    const mode = this.#mode
    return this.#count(connectLending(options, mode), mode)
  }

  /** As {@link lend}. */
  lend(socket: Socket): Buffer | undefined {
    const mode = this.#mode
    const early = lend(socket, mode)
    this.#count(socket, mode)
    return early
  }

  get #mode(): ReadMode {
    return this.#fastLeft > 0 ? 'fast' : 'cautious'
  }

  #count(socket: Socket, mode: ReadMode): Socket {
    if (mode === 'fast' && !socket.closed) {
      this.#fastLeft--
      socket.once('close', this.#free)
    }
    return socket
  }

  /** One function for all sockets instead of a closure for each. */
  readonly #free = (): void => {
    this.#fastLeft++
  }
}
