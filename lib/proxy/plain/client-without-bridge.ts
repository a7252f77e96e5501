import type { Socket } from 'node:net'
import type { Guarded } from '../../bridge/memory-guard.ts'
import type { Side } from '../../bridge/socket/socket-handler.ts'
import { LEAST_HOLDING_BYTES } from '../../service/memory/policy.ts'
import type { PlainExchange } from './plain-exchange.ts'

/** A side without a socket of interest: the kernel has no queues for it. */
const NO_SOCKET: Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'> = {
  remoteAddress: undefined,
  remotePort: undefined,
}

/**
 * A client connection without a bridge, as the memory guard sees it: a plain request, a handshake that waits for its
 * upstream, a refusal. The body of a request can be stopped; all else can only be closed.
 */
export class ClientWithoutBridge implements Guarded {
  readonly #client: Socket
  readonly #exchange: PlainExchange | undefined
  readonly #isLast: boolean
  readonly #onEvicted: () => void

  /**
   * @param exchange the request
   * @param isLast whether it is the last one of the connection, to which unread bytes belong
   */
  constructor(client: Socket, exchange: PlainExchange | undefined, isLast: boolean, onEvicted: () => void) {
    this.#client = client
    this.#exchange = exchange
    this.#isLast = isLast
    this.#onEvicted = onEvicted
  }

  /** One for each request that is under way on a connection, or a single one. */
  static *of(
    client: Socket,
    exchanges: ReadonlySet<PlainExchange> | undefined,
    onEvicted: () => void,
  ): Generator<ClientWithoutBridge> {
    let left = exchanges?.size ?? 0
    if (left === 0) yield new ClientWithoutBridge(client, undefined, true, onEvicted)
    for (const exchange of exchanges ?? []) yield new ClientWithoutBridge(client, exchange, --left === 0, onEvicted)
  }

  get state(): 'open' | 'closed' {
    return this.#client.destroyed ? 'closed' : 'open'
  }

  get heldBytes(): number {
    return (this.#isLast ? this.#client.writableLength : 0) + (this.#exchange?.heldBytes ?? 0)
  }

  socket(side: Side): Pick<Socket, 'localPort' | 'remoteAddress' | 'remotePort'> {
    if (side === 'upstream') return this.#exchange?.upstream ?? NO_SOCKET
    return this.#isLast ? this.#client : NO_SOCKET
  }

  restrain({ upstream }: Readonly<Record<Side, number>>): void {
    this.#exchange?.restrain(upstream)
  }

  evict(inKernel: Readonly<Record<Side, number>>): void {
    this.#onEvicted()
    this.#exchange?.evict(inKernel.upstream)
    const held = this.#client.writableLength + inKernel.client
    // Without a reset the kernel would keep its buffers for a peer that does not read.
    if (held >= LEAST_HOLDING_BYTES) this.#client.resetAndDestroy()
    else this.#client.destroy()
  }
}
