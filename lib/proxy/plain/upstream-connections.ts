import { Agent, type ClientRequest, type ClientRequestArgs, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Longest time that an idle connection is kept, in milliseconds: apps of Node end theirs after 5 s. */
const IDLE_MS = 4000

/** Idle connections kept at most, of all upstreams together; above it the oldest ends. */
const MAX_IDLE = 32

/** Answers that have no body whatever their head says (RFC 9112 §6.3): an app that sends one all the same has more to say later. */
const BODYLESS: ReadonlySet<number | undefined> = new Set([204, 304])

/** Whose request it is: a kept connection serves the one whose it was. */
export interface Owned {
  readonly owner: string
}

/**
 * Connections to upstreams that serve more than one request. An app may send more than its answer, and what comes late would be the
 * beginning of the next answer. So a connection serves one owner only, ends when a byte comes on it while it is idle, and is not used
 * again after an answer whose end the app and this parser could see differently.
 */
export class UpstreamConnections extends Agent {
  /** Oldest first. */
  readonly #idle = new Set<Socket>()
  readonly #spent = new WeakSet<Socket>()

  constructor() {
    super({ keepAlive: true, timeout: IDLE_MS })
  }

  /** To be called with the head of each answer. */
  answered({ socket, statusCode }: Pick<IncomingMessage, 'socket' | 'statusCode'>): void {
    if (BODYLESS.has(statusCode)) this.#spent.add(socket)
  }

  override getName(options: ClientRequestArgs & Partial<Owned> = {}): string {
    return `${super.getName(options)} ${options.owner ?? ''}`
  }

  override keepSocketAlive(stream: Duplex): boolean {
    const socket = stream as Socket
    if (this.#spent.has(socket) || socket.readableLength > 0) return false
    // The types know nothing of its result.
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
