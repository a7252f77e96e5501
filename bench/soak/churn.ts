import type { Life, World } from './lives.ts'

/** Longest a life may take; each ends by itself well before. */
const LIMIT_MS = 30_000
/** Most lives at once: beyond it the machine is too slow for the rate, and lives are left out. */
const MAX_AT_ONCE = 500
const TICK_MS = 20

/** How lives of one kind have ended. */
export interface Tally {
  lives: number
  /** By what they ended with, where that was not expected. */
  readonly unexpected: Map<string, number>
}

/** Clients that come and go. */
export class Churn {
  readonly tallies = new Map<string, Tally>()
  readonly #port: number
  readonly #deck: readonly (readonly [string, Life])[]
  #users = 0
  #active = 0
  #lives = 0
  #leftOut = 0

  /** @param port the balancer's */
  constructor(port: number, lives: Readonly<Record<string, Life>>) {
    this.#port = port
    // Each as often as its weight says, in an order that mixes them.
    this.#deck = Object.entries(lives)
      .flatMap(([name, life]) =>
        Array.from({ length: life.weight }, (_, n) => ({ at: (n + 0.5) / life.weight, name, life })),
      )
      .sort((a, b) => a.at - b.at)
      .map(({ name, life }) => [name, life] as const)
  }

  get active(): number {
    return this.#active
  }

  /** Lives that have begun. */
  get lives(): number {
    return this.#lives
  }

  /** Lives that the rate asked for and the machine had no room for. */
  get leftOut(): number {
    return this.#leftOut
  }

  /** Lets lives begin at a rate, until the signal. Those that have begun go on after it. */
  async run(perSecond: number, signal: AbortSignal): Promise<void> {
    const start = performance.now()
    let due = 0
    while (!signal.aborted) {
      const now = Math.floor(((performance.now() - start) / 1000) * perSecond)
      for (; due < now; due++) {
        if (this.#active < MAX_AT_ONCE) this.#begin()
        else this.#leftOut++
      }
      await new Promise(resolve => setTimeout(resolve, TICK_MS))
    }
  }

  #begin(): void {
    const [name, life] = this.#deck[this.#lives++ % this.#deck.length] as readonly [string, Life]
    this.#active++
    const world: World = { port: this.#port, newUser: () => `user-${++this.#users}`, sockets: [] }
    void bounded(life.live(world)).then(end => {
      for (const socket of world.sockets) socket.destroy()
      this.#active--
      const tally = this.tallies.get(name) ?? { lives: 0, unexpected: new Map() }
      this.tallies.set(name, tally)
      tally.lives++
      if (!life.expected.includes(end)) tally.unexpected.set(String(end), (tally.unexpected.get(String(end)) ?? 0) + 1)
    })
  }
}

async function bounded(life: Promise<number | string>): Promise<number | string> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<string>(resolve => {
    timer = setTimeout(() => resolve(`still there after ${LIMIT_MS} ms`), LIMIT_MS)
  })
  try {
    return await Promise.race([life, limit])
  } catch (error) {
    return (error as Error).message
  } finally {
    clearTimeout(timer)
  }
}
