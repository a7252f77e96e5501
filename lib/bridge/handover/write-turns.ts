import type { BridgePipes } from '../bridge-pipes.ts'
import type { Lifecycle } from '../lifecycle.ts'
import type { Traffic } from '../traffic.ts'
import type { WriteArbiter } from './lingering-upstream.ts'

/** Lets the lingering upstream write to the client between messages of the upstream that serves it. */
export class WriteTurns implements WriteArbiter {
  readonly #pipes: BridgePipes
  readonly #life: Lifecycle
  readonly #traffic: Traffic
  readonly #terminate: () => void

  /** @param terminate ends the connection at once */
  constructor(pipes: BridgePipes, life: Lifecycle, traffic: Traffic, terminate: () => void) {
    this.#pipes = pipes
    this.#life = life
    this.#traffic = traffic
    this.#terminate = terminate
  }

  request(): void {
    this.#pipes.upstream.stop()
  }

  yield(): void {
    this.#traffic.go('upstream')
    if (this.#pipes.lingering?.waits) this.request()
  }

  retired(midMessage: boolean): void {
    this.#pipes.lingering = undefined
    if (midMessage) this.#terminate()
    else this.yield()
    this.#life.wakeUp()
  }
}
