import type { Socket } from 'node:net'

/** Where a frame can be put in: a control frame between two frames, a message between two messages only. */
export type Place = 'frames' | 'messages'

/** A frame that waits for its place in the stream. */
interface Waiting {
  readonly bytes: Buffer
  readonly place: Place
  readonly done: (written: boolean) => void
}

/** Frames of ours that wait for a place in a stream where they can be put in; most streams have none. */
export class InjectionQueue {
  #waiting: Waiting[] | undefined
  /** Of all that wait. */
  bytes = 0

  get any(): boolean {
    return this.#waiting !== undefined
  }

  /** @returns when the kernel has it; `false` when it was not written */
  wait(bytes: Buffer, place: Place): Promise<boolean> {
    return new Promise(done => this.#keep({ bytes, place, done }))
  }

  #keep(waiting: Waiting): void {
    this.#waiting ??= []
    this.#waiting.push(waiting)
    this.bytes += waiting.bytes.length
  }

  /** The place has come, of those that go between two frames at least. */
  write(target: Socket, betweenMessages: boolean): void {
    for (const waiting of this.#take()) {
      const { bytes, place, done } = waiting
      if (betweenMessages || place === 'frames') target.write(bytes, error => done(!error))
      else this.#keep(waiting)
    }
  }

  /** There is none any more. */
  dismiss(): void {
    for (const { done } of this.#take()) done(false)
  }

  #take(): readonly Waiting[] {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    this.bytes = 0
    return waiting
  }
}
