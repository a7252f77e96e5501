import type { Errors } from './job.ts'

/** Keeps account of the sequence numbers that arrive from one sender, which counts from 0. */
export class Ledger {
  readonly #errors: Errors
  /** Number that comes next if nothing is wrong. */
  next = 0
  #missing: Set<number> | undefined

  constructor(errors: Errors) {
    this.#errors = errors
  }

  /** @returns `false` where it had arrived before */
  arrived(sequence: number): boolean {
    if (sequence === this.next) this.next++
    else if (sequence > this.next) {
      this.#missing ??= new Set()
      while (this.next < sequence) this.#missing.add(this.next++)
      this.next++
    } else if (this.#missing?.delete(sequence)) this.#errors.reordered++
    else {
      this.#errors.doubled++
      return false
    }
    return true
  }

  /** Counts what is still missing as lost; nothing may arrive afterwards. */
  close(sent: number): void {
    this.#errors.lost += (this.#missing?.size ?? 0) + Math.max(0, sent - this.next)
  }
}
