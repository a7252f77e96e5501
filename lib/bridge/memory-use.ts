import type { FlowMemory } from './bridge-options.ts'
import type { Side } from './socket/socket-handler.ts'

/** Memory of one connection, as reported to the budget of the process. */
export class MemoryUse {
  readonly #memory: FlowMemory
  /** Bytes waiting to be written, by the side that sent them. */
  readonly #queued = { client: 0, upstream: 0 }
  /** Bytes of a side that the kernel may hold for the other side: the last measurement plus bytes passed since. */
  readonly #unsent = { client: 0, upstream: 0 }
  /** Bytes held elsewhere because of this connection. */
  #charged = 0

  constructor(memory: FlowMemory) {
    this.#memory = memory
  }

  get charged(): number {
    return this.#charged
  }

  unsent(side: Side): number {
    return this.#unsent[side]
  }

  /** Adds bytes of a side that have passed, which the kernel may hold. */
  addUnsent(side: Side, bytes: number): void {
    this.#unsent[side] += bytes
  }

  setUnsent(side: Side, bytes: number): void {
    this.#unsent[side] = bytes
  }

  /** Reports to the budget how many bytes of a side wait to be written. */
  setQueued(side: Side, bytes: number): void {
    if (bytes === this.#queued[side]) return
    this.#memory.queues.change(bytes - this.#queued[side])
    this.#queued[side] = bytes
  }

  /** Adds memory taken elsewhere for messages of this connection; negative when it is released. */
  charge(bytes: number): void {
    this.#charged += bytes
    this.#memory.messages.change(bytes)
  }
}
