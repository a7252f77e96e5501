import type { Socket } from 'node:net'

/** Where a frame may be injected: a control frame between two frames, a message only between two messages. */
export type Place = 'frames' | 'messages'

/** A frame that waits for its place in the stream. */
interface Waiting {
  readonly bytes: Buffer
  readonly place: Place
  readonly done: (written: boolean) => void
}

/** Our own frames that wait for a place in a stream where they may be injected; most streams have none. */
export class InjectionQueue {
  #waiting: Waiting[] | undefined
  /** Bytes of all waiting frames. */
  bytes = 0

  get any(): boolean {
    return this.#waiting !== undefined
  }

  /** @returns resolves when the kernel has the frame; `false` if it was not written */
  wait(bytes: Buffer, place: Place): Promise<boolean> {
    return new Promise(done => this.#keep({ bytes, place, done }))
  }

  #keep(waiting: Waiting): void {
    this.#waiting ??= []
    this.#waiting.push(waiting)
    this.bytes += waiting.bytes.length
  }

  /** Writes the waiting frames that may go here; the stream is at least between two frames. */
  write(target: Socket, betweenMessages: boolean): void {
    for (const waiting of this.#take()) {
      const { bytes, place, done } = waiting
      if (betweenMessages || place === 'frames') target.write(bytes, error => done(!error))
      else this.#keep(waiting)
    }
  }

  /** Gives up all waiting frames, because their place will not come. */
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
