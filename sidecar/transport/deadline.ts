/** Resolution of deadlines, in milliseconds: tasks that begin within one step share a deadline. */
const STEP_MS = 25

/** A task with a deadline. */
export interface DeadlineTask {
  /** The deadline has passed: the task must answer with what is known. */
  handleEvent(): void
}

/**
 * Notifies tasks when their time is up. An `AbortSignal` is a deadline; {@link deadlineIn} creates a simpler one,
 * because a signal and its timer cost more than a message.
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
    // Most tasks are long done by then, so an idle process need not wait for the timer.
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

/** The deadline created last, its duration, and until when it is shared (on the clock of `performance.now()`). */
let last: { readonly deadline: Deadline; readonly ms: number; readonly till: number } | undefined

/**
 * A deadline in `ms` milliseconds, or at most {@link STEP_MS} later: shared by tasks that begin at about the same time,
 * so that a message needs no timer of its own.
 */
export function deadlineIn(ms: number): Deadline {
  const now = performance.now()
  if (last?.ms !== ms || now >= last.till || last.deadline.aborted)
    last = { deadline: new SharedDeadline(ms + STEP_MS), ms, till: now + STEP_MS }
  return last.deadline
}

/** The result of work that cannot observe a deadline; `late` once the deadline has passed. */
export function orLate<T>(work: Promise<T>, late: T, deadline: Deadline): Promise<T> {
  return new Promise((resolve, reject) => {
    const worker = { handleEvent: () => resolve(late) }
    deadline.addEventListener('abort', worker)
    work.then(resolve, reject).finally(() => deadline.removeEventListener('abort', worker))
  })
}
