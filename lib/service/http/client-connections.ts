import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How many connections a server may have. */
export interface ConnectionLimits {
  /** Above it, connections that have been idle for a second end, oldest first. */
  readonly soft: number
  /** Never more: for lack of one that has been idle for long, the oldest idle one ends, or else the new one. */
  hard(): number
}

/** Why a connection was ended by the server: to make room, or because all others are in use. */
export type Shed = 'idle' | 'full'

/** Idle time after which a connection is not just about to send its first request, in milliseconds. */
const SETTLED_MS = 1000

/** What a connection is doing. `upgraded`: it is dialled for, or belongs to a listener of its own. */
type Use = { readonly idleSince: number } | { requests: number } | 'upgraded'

/**
 * The connections of a server, without those that have become WebSockets of the proxy, and which of them can be spared: all use
 * files, and a server that has no file left cannot even answer its probes.
 */
export class ClientConnections {
  readonly #limits: ConnectionLimits
  readonly #shed: (reason: Shed) => void
  readonly #now: () => number
  readonly #uses = new Map<Socket, Use>()
  /** Oldest first. */
  readonly #idle = new Set<Socket>()
  #busy = 0

  constructor(limits: ConnectionLimits, shed: (reason: Shed) => void = () => {}, now = () => performance.now()) {
    this.#limits = limits
    this.#shed = shed
    this.#now = now
    // One for all sockets.
    const connections = this
    this.#onClose = function (this: Socket) {
      connections.#remove(this)
    }
  }

  readonly #onClose: (this: Socket) => void

  /** All, idle or not. */
  get size(): number {
    return this.#uses.size
  }

  /** Those with a request that has no answer yet. */
  get busy(): number {
    return this.#busy
  }

  /** Looks after each connection and each plain request of a server. */
  attach(server: Server): void {
    server.on('connection', socket => this.accepted(socket))
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      this.begin(socket)
      response.once('close', () => this.end(socket))
    })
  }

  accepted(socket: Socket): void {
    if (!this.#hasRoom()) {
      this.#shed('full')
      socket.destroy()
      return
    }
    socket.on('close', this.#onClose)
    this.#becomeIdle(socket)
  }

  /** A request has come on a connection; with pipelining, before the one before it is answered. */
  begin(socket: Socket): void {
    const use = this.#uses.get(socket)
    if (use === undefined || use === 'upgraded') return
    if ('requests' in use) use.requests++
    else {
      this.#idle.delete(socket)
      this.#uses.set(socket, { requests: 1 })
      this.#busy++
    }
  }

  /** A request has been answered. */
  end(socket: Socket): void {
    const use = this.#uses.get(socket)
    if (use === undefined || use === 'upgraded' || !('requests' in use) || --use.requests > 0) return
    this.#busy--
    this.#becomeIdle(socket)
  }

  /** Requests on this connection that have no answer yet. */
  requests(socket: Socket): number {
    const use = this.#uses.get(socket)
    return use !== undefined && use !== 'upgraded' && 'requests' in use ? use.requests : 0
  }

  /** A handshake has come: the connection cannot be spared until {@link refused}. */
  upgraded(socket: Socket): void {
    if (!this.#uses.has(socket)) return
    this.#release(socket)
    this.#uses.set(socket, 'upgraded')
  }

  /** A handshake has been refused: nothing of importance comes on this connection any more. */
  refused(socket: Socket): void {
    if (this.#uses.get(socket) === 'upgraded') this.#becomeIdle(socket)
  }

  /** Another owner counts this connection from now on. */
  forget(socket: Socket): void {
    socket.off('close', this.#onClose)
    this.#remove(socket)
  }

  #hasRoom(): boolean {
    const hard = this.#limits.hard()
    while (this.size >= Math.min(this.#limits.soft, hard)) {
      const [oldest] = this.#idle
      const since = oldest && (this.#uses.get(oldest) as { idleSince: number }).idleSince
      const settled = since !== undefined && this.#now() - since >= SETTLED_MS
      if (!settled && this.size < hard) return true
      if (!oldest) return false
      this.#shed('idle')
      this.#remove(oldest)
      oldest.destroy()
    }
    return true
  }

  #becomeIdle(socket: Socket): void {
    this.#idle.add(socket)
    this.#uses.set(socket, { idleSince: this.#now() })
  }

  #remove(socket: Socket): void {
    this.#release(socket)
    this.#uses.delete(socket)
  }

  #release(socket: Socket): void {
    this.#idle.delete(socket)
    if (this.requests(socket) > 0) this.#busy--
  }
}
