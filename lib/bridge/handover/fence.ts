import { OPCODE } from '../../websocket/frames.ts'
import type { BridgePipes } from '../bridge-pipes.ts'
import type { Lifecycle } from '../lifecycle.ts'

/** Asks the upstream with a ping whether it has read everything sent to it: its pong follows its answers. */
export class Fence {
  readonly #pipes: BridgePipes
  readonly #life: Lifecycle
  /** Whether the next expected pong of the upstream is the answer. */
  #waiting = false
  #ponged = false

  constructor(pipes: BridgePipes, life: Lifecycle) {
    this.#pipes = pipes
    this.#life = life
  }

  get isWaiting(): boolean {
    return this.#waiting
  }

  /** As `Bridge.fence`. */
  async ask(timeoutMs: number, payload: Buffer): Promise<boolean> {
    const life = this.#life
    // One at a time, because each waits for its own pong.
    if (this.#waiting) await life.until(() => !this.#waiting, timeoutMs)
    if (life.isEnded || life.isOrphaned || this.#waiting) return false
    this.#ponged = false
    this.#waiting = true
    this.#pipes.upstream.expectPong(payload)
    void this.#pipes.client.control(OPCODE.PING, payload)
    await life.until(() => this.#ponged || life.isOrphaned, timeoutMs)
    this.#waiting = false
    life.wakeUp()
    return this.#ponged
  }

  /** An expected pong has come from the upstream. */
  onPong(): void {
    if (!this.#waiting) return
    this.#ponged = true
    this.#life.wakeUp()
  }
}
