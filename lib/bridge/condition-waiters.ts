/** Tasks that wait for a condition on one connection; most connections have none. */
export class ConditionWaiters {
  #looks: (() => void)[] | undefined

  /**
   * Resolves when a condition holds, or on timeout.
   *
   * @param condition evaluated again at each {@link wakeUp}
   */
  until(condition: () => boolean, timeoutMs: number): Promise<void> {
    if (condition()) return Promise.resolve()
    return new Promise(resolve => {
      const look = () => {
        if (condition()) done()
      }
      const done = () => {
        clearTimeout(timer)
        this.#looks = this.#looks?.filter(other => other !== look)
        resolve()
      }
      const timer = setTimeout(done, timeoutMs)
      this.#looks = [...(this.#looks ?? []), look]
    })
  }

  /** The state may have changed: evaluates all conditions again. */
  wakeUp(): void {
    for (const look of this.#looks ?? []) look()
  }
}
