import type { Socket } from 'node:net'

/** A frame that waits for its place in the stream. */
interface Waiting {
  readonly bytes: Buffer
  readonly done: (written: boolean) => void
}

/** Frames of ours that wait for a place in a stream where they can be put in; most streams have none. */
export class Insertions {
  #waiting: Waiting[] | undefined
  /** Of all that wait. */
  bytes = 0

  get any(): boolean {
    return this.#waiting !== undefined
  }

  /** @returns when the kernel has it; `false` when it was not written */
  wait(bytes: Buffer): Promise<boolean> {
    return new Promise(done => {
      this.#waiting ??= []
      this.#waiting.push({ bytes, done })
      this.bytes += bytes.length
    })
  }

  /** The place has come. */
  write(target: Socket): void {
    for (const { bytes, done } of this.#take()) target.write(bytes, error => done(!error))
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
