interface Waiting {
  readonly payload: Buffer
  readonly settle: (answered: boolean) => void
}

/** Pings waiting for their pongs: the peer answers them in order (RFC 6455 §5.5.3). */
export class PingFences {
  #waiting: Waiting[] = []

  /** Number of pings without an answer that are still waited for. */
  get size(): number {
    return this.#waiting.length
  }

  /** Resolves with whether the pong arrives within the time limit, in milliseconds. The caller sends the ping. */
  wait(payload: Buffer, timeoutMs: number): Promise<boolean> {
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter(other => other !== entry)
        resolve(false)
      }, timeoutMs)
      const settle = (answered: boolean) => {
        clearTimeout(timer)
        resolve(answered)
      }
      const entry = { payload, settle }
      this.#waiting.push(entry)
    })
  }

  /** Handles a pong, which may answer earlier pings too. @returns whether it answers any of these */
  answer(payload: Buffer): boolean {
    const at = this.#waiting.findIndex(entry => entry.payload.equals(payload))
    for (const { settle } of this.#waiting.splice(0, at + 1)) settle(true)
    return at >= 0
  }

  /** Ends all waits: no more pongs will arrive. */
  cancel(): void {
    for (const { settle } of this.#waiting.splice(0)) settle(false)
  }
}
