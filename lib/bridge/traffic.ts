import type { FlowMemory } from './bridge-options.ts'
import { type BridgePipes, OTHER, SIDES } from './bridge-pipes.ts'
import type { FlowControl } from './flow-control.ts'
import type { Lifecycle } from './lifecycle.ts'
import type { MemoryUse } from './memory-use.ts'
import type { Side } from './socket/socket-handler.ts'

/** Passes bytes of both sides, and stops reading a side while the other does not keep up. */
export class Traffic {
  readonly #pipes: BridgePipes
  readonly #flow: FlowControl
  readonly #life: Lifecycle
  readonly #memory: FlowMemory
  readonly #use: MemoryUse

  constructor(pipes: BridgePipes, flow: FlowControl, life: Lifecycle, memory: FlowMemory, use: MemoryUse) {
    this.#pipes = pipes
    this.#flow = flow
    this.#life = life
    this.#memory = memory
    this.#use = use
  }

  receive(side: Side, chunk: Buffer): void {
    this.#flow.heard(side)
    const { length } = chunk
    this.#pipes[side].push(chunk)
    this.#use.addUnsent(side, length)
    if (this.count(side) > 0 || this.#memory.tight) this.#fill(side)
    // Must come last, because it may close this connection.
    this.#memory.passed(length)
  }

  /** Reports to the budget how many bytes of a side wait to be written; returns their number. */
  count(side: Side): number {
    // A closed socket still reports a queue length, but the queue takes no memory any more.
    if (this.#life.isClosed) return 0
    const { queuedBytes, stashedBytes } = this.#pipes[side]
    this.#use.setQueued(side, queuedBytes + stashedBytes)
    return queuedBytes
  }

  #fill(side: Side): void {
    const pipe = this.#pipes[side]
    const { tight, queueLimit } = this.#memory
    if (pipe.queuedBytes + (tight ? this.#use.unsent(side) : 0) < queueLimit) return
    // No upstream reads any more, so the rest of a message may be dropped.
    if (this.#life.isOrphaned && side === 'client') return
    if (!this.#flow.fill(side)) return
    this.regulate(side)
    if (pipe.queuedBytes === 0) return
    // A socket with many small writes below its high-water mark emits no `drain` event.
    if (!pipe.target.writableNeedDrain) pipe.whenWritten(() => this.drained(OTHER[side]))
  }

  /** The kernel has all bytes that waited for a side. */
  drained(side: Side): void {
    // A side that is receiving a large message may have nothing to send, and its stream has no place for a ping.
    this.#flow.heard(side)
    if (side === 'client') this.#pipes.lingering?.resume()
    const other = OTHER[side]
    this.count(other)
    if (this.#flow.empty(other)) this.regulate(other)
  }

  /** Starts or stops reading a side. */
  regulate(side: Side): void {
    const { source, stopped } = this.#pipes[side]
    // After we have closed, the source is always read, to see its answer.
    if ((this.#flow.stops(side) || stopped) && !this.#life.isClosing) source.pause()
    else source.resume()
  }

  /** Continues after a stop. */
  go(side: Side): void {
    this.#pipes[side].go()
    this.#fill(side)
    this.regulate(side)
  }

  /** Stops reading a side until {@link release} was called as often. */
  hold(side: Side): void {
    this.#flow.hold(side)
    // The rest of the current chunk waits too: one chunk can contain thousands of messages.
    this.#pipes[side].pause()
    this.regulate(side)
  }

  release(side: Side): void {
    this.#flow.release(side)
    // Deferred, because the caller may still be processing the previous message.
    queueMicrotask(() => {
      if (this.#flow.isHeld(side)) return
      this.#pipes[side].resume()
      this.#fill(side)
      this.regulate(side)
    })
  }

  /** As `Bridge.restrain`. */
  restrain(unsent: Readonly<Record<Side, number>>): void {
    const { queueLimit } = this.#memory
    for (const side of SIDES) {
      this.#use.setUnsent(side, unsent[OTHER[side]])
      const queued = this.#pipes[side].queuedBytes
      const all = queued + unsent[OTHER[side]]
      const changed =
        all >= queueLimit ? this.#flow.fill(side) : queued === 0 && all <= queueLimit / 2 && this.#flow.empty(side)
      if (changed) this.regulate(side)
    }
  }
}
