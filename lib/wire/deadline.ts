/**
 * Tells the one that works for somebody when nobody waits any more. An `AbortSignal` is one; where there is one for each message,
 * {@link withDeadline} gives a simpler one, because a signal costs more memory than a message.
 */
export interface Deadline {
  readonly aborted: boolean
  addEventListener(type: 'abort', listener: () => void): void
  removeEventListener(type: 'abort', listener: () => void): void
}

class Timer implements Deadline {
  aborted = false
  readonly #listeners: (() => void)[] = []

  addEventListener(_type: 'abort', listener: () => void): void {
    this.#listeners.push(listener)
  }

  removeEventListener(_type: 'abort', listener: () => void): void {
    const place = this.#listeners.indexOf(listener)
    if (place >= 0) this.#listeners.splice(place, 1)
  }

  abort(): void {
    this.aborted = true
    for (const listener of [...this.#listeners]) listener()
  }
}

/**
 * Runs `work`, but answers `late` after `ms`, unless the work, which the deadline tells that nobody waits any more, has an answer at
 * once.
 */
export function withDeadline<T>(ms: number, late: T, work: (deadline: Deadline) => T | Promise<T>): Promise<T> {
  const deadline = new Timer()
  return new Promise((resolve, reject) => {
    const result = work(deadline)
    if (!(result instanceof Promise)) {
      resolve(result)
      return
    }
    const timer = setTimeout(() => {
      deadline.abort()
      // Whoever works may know better what became of it.
      setImmediate(() => resolve(late))
    }, ms)
    result.then(
      value => {
        clearTimeout(timer)
        resolve(value)
      },
      error => {
        clearTimeout(timer)
        reject(error)
      },
    )
  })
}
