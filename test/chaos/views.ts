import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Random } from './random.ts'
import type { Staleness } from './schedule.ts'

/** Longest time in which a list that is wrong on purpose is not put right. */
const MEND_MS = 4000

/**
 * The members as one program sees them: a file of its own, which follows the true list late, and where that is asked for, in
 * another order or with a member missing. In the end it is right.
 */
export class View {
  readonly path: string
  readonly #random: Random
  readonly #staleness: Staleness
  readonly #timers = new Set<NodeJS.Timeout>()
  #writing = Promise.resolve()
  #latest: readonly string[]
  #updates = 0
  #applied = 0

  private constructor(folder: string, random: Random, staleness: Staleness, members: readonly string[]) {
    this.path = join(folder, 'members.json')
    this.#random = random
    this.#staleness = staleness
    this.#latest = members
  }

  /** @param folder for this file alone, because programs watch the folder */
  static async create(folder: string, random: Random, staleness: Staleness, members: readonly string[]): Promise<View> {
    await mkdir(folder, { recursive: true })
    const view = new View(folder, random, staleness, members)
    view.#write(members)
    await view.#writing
    return view
  }

  /** The true list is this one from now on. */
  update(members: readonly string[]): void {
    const number = ++this.#updates
    this.#latest = members
    const { leastMs, mostMs, disorder, forget } = this.#staleness
    const wrong = members.length > 1 && this.#random.chance(forget)
    const missing = wrong ? this.#random.int(0, members.length - 1) : -1
    this.#later(this.#random.int(leastMs, mostMs), () => {
      const old = number < this.#applied
      if (old && !disorder) return
      this.#applied = Math.max(this.#applied, number)
      this.#write(members.filter((_, i) => i !== missing))
      if (old || wrong) this.#later(this.#random.int(1000, MEND_MS), () => this.#write(this.#latest))
    })
  }

  /** Whether the file says the truth and will not change any more by itself. */
  get settled(): boolean {
    return this.#timers.size === 0
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  #later(ms: number, action: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      action()
    }, ms)
    this.#timers.add(timer)
  }

  #write(members: readonly string[]): void {
    this.#writing = this.#writing.then(async () => {
      await writeFile(`${this.path}.new`, JSON.stringify(members))
      await rename(`${this.path}.new`, this.path)
    })
  }
}
