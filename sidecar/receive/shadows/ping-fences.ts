interface Waiting {
  readonly payload: Buffer
  readonly settle: (answered: boolean) => void
}

/** Pings whose pongs are waited for: the other end answers them in their order (RFC 6455 §5.5.3). */
export class PingFences {
  #waiting: Waiting[] = []

  /** Pings that have no answer yet and are still waited for. */
  get size(): number {
    return this.#waiting.length
  }

  /** Resolves with whether the pong comes in time, in milliseconds. The ping itself is the caller's to send. */
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

  /** A pong has come, which may answer earlier pings too. @returns whether it answers any of these */
  answer(payload: Buffer): boolean {
    const at = this.#waiting.findIndex(entry => entry.payload.equals(payload))
    for (const { settle } of this.#waiting.splice(0, at + 1)) settle(true)
    return at >= 0
  }

  /** No pong comes any more. */
  cancel(): void {
    for (const { settle } of this.#waiting.splice(0)) settle(false)
  }
}
