/** How exact a deadline is, in milliseconds: all that begins within so long has the same. */
const STEP_MS = 25

/** Whoever works for somebody who waits only for so long. */
export interface DeadlineTask {
  /** Nobody waits any more: to be answered with what is known. */
  handleEvent(): void
}

/**
 * Tells those who work for somebody when nobody waits any more. An `AbortSignal` is one; {@link deadlineIn} gives a simpler one, because a
 * signal and its timer cost more than a message.
 */
export interface Deadline {
  readonly aborted: boolean
  addEventListener(type: 'abort', worker: DeadlineTask): void
  removeEventListener(type: 'abort', worker: DeadlineTask): void
}

class SharedDeadline implements Deadline {
  aborted = false
  readonly #workers = new Set<DeadlineTask>()

  constructor(ms: number) {
    // Most of what it is for is long done by then: a process that has nothing else to do need not wait for it.
    setTimeout(() => this.#abort(), ms).unref()
  }

  addEventListener(_type: 'abort', worker: DeadlineTask): void {
    this.#workers.add(worker)
  }

  removeEventListener(_type: 'abort', worker: DeadlineTask): void {
    this.#workers.delete(worker)
  }

  #abort(): void {
    this.aborted = true
    for (const worker of this.#workers) worker.handleEvent()
    this.#workers.clear()
  }
}

/** The last one that was given out, for how long, and until when it is given out again, on the clock of `performance.now()`. */
let last: { readonly deadline: Deadline; readonly ms: number; readonly till: number } | undefined

/**
 * A deadline in `ms` milliseconds, or at most {@link STEP_MS} later: shared by all that begins at about the same time, so that a message
 * needs no timer of its own.
 */
export function deadlineIn(ms: number): Deadline {
  const now = performance.now()
  if (last?.ms !== ms || now >= last.till || last.deadline.aborted)
    last = { deadline: new SharedDeadline(ms + STEP_MS), ms, till: now + STEP_MS }
  return last.deadline
}

/** The answer of work that cannot be told of a deadline; `late` when that is over. */
export function orLate<T>(work: Promise<T>, late: T, deadline: Deadline): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = { handleEvent: () => resolve(late) }
    deadline.addEventListener('abort', worker)
    work.then(resolve, reject).finally(() => deadline.removeEventListener('abort', worker))
  })
}
