export interface HeartbeatOptions {
  /** Pause between pings, in milliseconds. */
  readonly pingMs: number
  /** How long a connection may be idle, in milliseconds. */
  readonly idleMs: number
  /** Whether messages are waiting for their answers: the connection is not idle then. */
  readonly busy: () => boolean
  readonly ping: () => void
  /** Called if nothing arrived after two pings; no ping follows until something arrives. */
  readonly onDead: () => void
  /** Called at each ping that is due while the connection is idle for too long. */
  readonly onIdle: () => void
}

/** Detects that a connection is dead or idle. Counts pings instead of time, so that a stopped process harms nothing. */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  #timer: NodeJS.Timeout | undefined
  /** Number of pings since the last received data. */
  #unanswered = 0
  #idleMs = 0

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = setInterval(() => this.#tick(), this.#options.pingMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  /** Data or a pong has arrived. */
  received(): void {
    this.#unanswered = 0
  }

  /** Data was written. */
  sent(): void {
    this.#idleMs = 0
  }

  #tick(): void {
    const { pingMs, idleMs, busy, ping, onDead, onIdle } = this.#options
    if (this.#unanswered === 2) {
      onDead()
      return
    }
    this.#idleMs = busy() ? 0 : this.#idleMs + pingMs
    if (this.#idleMs >= idleMs) {
      onIdle()
      return
    }
    this.#unanswered++
    ping()
  }
}
