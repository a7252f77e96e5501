import type { FlowMemory } from './bridge-options.ts'
import type { Side } from './socket/socket-handler.ts'

/** What one connection holds in memory, as the budget of the process has been told. */
export class MemoryUse {
  readonly #memory: FlowMemory
  /** Bytes that wait to be written, by the side that has sent them. */
  readonly #queued = { client: 0, upstream: 0 }
  /** Bytes of a side that the kernel may hold for the other one: as last measured, and those that have passed since. */
  readonly #unsent = { client: 0, upstream: 0 }
  /** Bytes that are held elsewhere because of this connection. */
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

  /** Bytes of a side have passed: the kernel may hold them. */
  addUnsent(side: Side, bytes: number): void {
    this.#unsent[side] += bytes
  }

  setUnsent(side: Side, bytes: number): void {
    this.#unsent[side] = bytes
  }

  /** Tells the budget how many bytes of a side wait to be written. */
  setQueued(side: Side, bytes: number): void {
    if (bytes === this.#queued[side]) return
    this.#memory.queues.change(bytes - this.#queued[side])
    this.#queued[side] = bytes
  }

  /** Memory for messages of this connection is taken elsewhere, or given back. */
  charge(bytes: number): void {
    this.#charged += bytes
    this.#memory.messages.change(bytes)
  }
}
