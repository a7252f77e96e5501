import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Limits for the connections of a server. */
export interface ConnectionLimits {
  /** Above it, connections that have been idle for a second are closed, oldest first. */
  readonly soft: number
  /**
   * Absolute limit: if no connection has been idle for a second, the oldest idle one is closed, or else the new one.
   */
  hard(): number
  /** Unanswered requests of all connections from which none may be sent ahead (pipelined). */
  readonly requests: number
}

/**
 * Why the server closed a connection: to make room, because all others are in use, or because its client sent too many
 * requests without waiting for their answers.
 */
export type Shed = 'idle' | 'full' | 'pipelined'

/**
 * Unanswered requests of one connection. Node parses all that a client sends ahead, thousands in one chunk, and never
 * stops reading for it.
 */
const MAX_PIPELINED = 16

/** Idle time after which a connection is no longer expected to send its first request, in milliseconds. */
const SETTLED_MS = 1000

/** State of a connection. `upgraded`: its upstream is being dialled, or it belongs to another listener. */
type Use = { readonly idleSince: number } | { requests: number } | 'upgraded'

/**
 * Tracks the connections of a server, except WebSockets of the proxy, and which of them may be closed. Each uses a
 * file, and a server without a free file cannot even answer its probes.
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
    // One listener for all sockets.
    const connections = this
    this.#onClose = function (this: Socket) {
      connections.#remove(this)
    }
  }

  readonly #onClose: (this: Socket) => void

  /** All connections, idle or not. */
  get size(): number {
    return this.#uses.size
  }

  /** Unanswered requests of all connections. */
  get busy(): number {
    return this.#busy
  }

  /** Connections of plain requests, idle ones included. */
  *plain(): Generator<Socket> {
    for (const [socket, use] of this.#uses) if (use !== 'upgraded') yield socket
  }

  /**
   * Tracks each connection and each plain request of a server. Node goes on to emit the requests of a chunk whose
   * connection was closed meanwhile: the server's own listener must drop requests of a destroyed socket.
   */
  attach(server: Server): void {
    server.on('connection', socket => this.accepted(socket))
    const unanswered = new WeakMap<Socket, Set<ServerResponse>>()
    server.prependListener('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
      if (!this.begin(socket)) return
      const responses = unanswered.get(socket) ?? closedWith(socket)
      unanswered.set(socket, responses.add(response))
      response.once('close', () => {
        responses.delete(response)
        this.end(socket)
      })
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

  /**
   * A request has arrived; with pipelining, earlier ones may be unanswered.
   *
   * @returns whether it may be answered; otherwise the connection is closed
   */
  begin(socket: Socket): boolean {
    if (socket.destroyed) return false
    const use = this.#uses.get(socket)
    if (use === undefined || use === 'upgraded') return true
    if ('requests' in use) {
      if (use.requests >= MAX_PIPELINED || this.#busy >= this.#limits.requests) {
        this.#shed('pipelined')
        socket.destroy()
        return false
      }
      use.requests++
    } else {
      this.#idle.delete(socket)
      this.#uses.set(socket, { requests: 1 })
    }
    this.#busy++
    return true
  }

  /** A request has been answered. */
  end(socket: Socket): void {
    const use = this.#uses.get(socket)
    if (use === undefined || use === 'upgraded' || !('requests' in use)) return
    this.#busy--
    if (--use.requests === 0) this.#becomeIdle(socket)
  }

  /** Unanswered requests on this connection. */
  requests(socket: Socket): number {
    const use = this.#uses.get(socket)
    return use !== undefined && use !== 'upgraded' && 'requests' in use ? use.requests : 0
  }

  /** A handshake has arrived: the connection must not be closed for room until {@link refused}. */
  upgraded(socket: Socket): void {
    if (!this.#uses.has(socket)) return
    this.#release(socket)
    this.#uses.set(socket, 'upgraded')
  }

  /** A handshake has been refused: the connection may be closed for room again. */
  refused(socket: Socket): void {
    if (this.#uses.get(socket) === 'upgraded') this.#becomeIdle(socket)
  }

  /** From now on another owner counts this connection. */
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
    this.#busy -= this.requests(socket)
  }
}

/**
 * Responses that close with their connection. Node closes only the one that is being written, not those that wait behind
 * it (pipelining), so whoever waits for their end would keep them and their requests.
 */
function closedWith(socket: Socket): Set<ServerResponse> {
  const responses = new Set<ServerResponse>()
  socket.once('close', () => {
    for (const response of responses) if (!response.closed) response.destroy().emit('close')
  })
  return responses
}
