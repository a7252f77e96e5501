import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** How long an idle connection is kept, in milliseconds; below the 5 s after which Node apps close theirs. */
const IDLE_MS = 4000

/** Limit of idle connections to all upstreams together; above it the oldest is closed. */
const MAX_IDLE = 32

/** Status codes without a body (RFC 9112 §6.3). An app that sends one anyway leaves surplus bytes on the connection. */
const BODYLESS: ReadonlySet<number | undefined> = new Set([204, 304])

/** The owner of a request; a kept connection serves one owner only. */
export interface Owned {
  readonly owner: string
}

/**
 * Keeps upstream connections for further requests. An app may send more bytes than its answer, and late bytes would be
 * read as the start of the next answer. Therefore a connection serves one owner only, is closed if a byte arrives while
 * it is idle, and is not reused after an answer whose end the app and Node's parser could see differently.
 */
export class UpstreamConnections extends Agent {
  /** Oldest first. */
  readonly #idle = new Set<Socket>()
  readonly #spent = new WeakSet<Socket>()

  constructor() {
    super({ keepAlive: true, timeout: IDLE_MS })
  }

  /** Must be called with the head of each response. */
  answered({ socket, statusCode }: Pick<IncomingMessage, 'socket' | 'statusCode'>): void {
    if (BODYLESS.has(statusCode)) this.#spent.add(socket)
  }

  override getName(options: ClientRequestArgs & Partial<Owned> = {}): string {
    return `${super.getName(options)} ${options.owner ?? ''}`
  }

  override keepSocketAlive(stream: Duplex): boolean {
    const socket = stream as Socket
    if (this.#spent.has(socket) || socket.readableLength > 0) return false
    // Node's types declare no return value for this method.
    if ((super.keepSocketAlive(socket) as unknown) === false) return false
    for (const oldest of this.#idle) {
      if (this.#idle.size < MAX_IDLE) break
      this.#idle.delete(oldest)
      oldest.destroy()
    }
    this.#idle.add(socket)
    socket.once('close', this.#forget).on('data', cut)
    return true
  }

  override reuseSocket(stream: Duplex, request: ClientRequest): void {
    const socket = stream as Socket
    this.#idle.delete(socket)
    socket.off('data', cut).off('close', this.#forget)
    super.reuseSocket(socket, request)
  }

  readonly #forget = (): void => {
    for (const socket of this.#idle) if (socket.destroyed) this.#idle.delete(socket)
  }
}

function cut(this: Socket): void {
  this.destroy()
}
