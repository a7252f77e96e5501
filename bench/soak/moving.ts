import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { come, type Life } from './lives.ts'

/** How long the members stay the same. */
const PAUSE_MS = 1000
const STAY_MS = 20_000
const TALK_MS = 200

/** A list of members that changes all the time. */
export class MovingMembers {
  /** Where the programs read it. */
  readonly path: string
  readonly #folder: string
  readonly #members: readonly [string, string]

  private constructor(folder: string, members: readonly [string, string]) {
    this.#folder = folder
    this.path = join(folder, 'members.json')
    this.#members = members
  }

  /** Begins with both members in the list. */
  static async create(members: readonly [string, string]): Promise<MovingMembers> {
    const moving = new MovingMembers(await mkdtemp(join(tmpdir(), 'ws-operator-soak-')), members)
    await moving.#write(members)
    return moving
  }

  /** Takes one member out and in again, then the other, until the signal: so everybody is moved, back and forth. */
  async run(signal: AbortSignal): Promise<void> {
    const [first, second] = this.#members
    const lists = [[first], [first, second], [second], [first, second]]
    for (let n = 0; !signal.aborted; n++) {
      await this.#write(lists[n % lists.length] as string[])
      await sleep(PAUSE_MS, undefined, { signal }).catch(() => {})
    }
    await this.#write(this.#members)
  }

  remove(): Promise<void> {
    return rm(this.#folder, { recursive: true, force: true })
  }

  async #write(members: readonly string[]): Promise<void> {
    await writeFile(`${this.path}.new`, JSON.stringify(members))
    await rename(`${this.path}.new`, this.path)
  }
}

/** Clients who stay for a while, so that they are moved many times: two of them, who hear each message once and in order. */
export const MOVED_LIVES: Readonly<Record<string, Life>> = {
  'two who stay and write to each other': {
    weight: 1,
    expected: [1000],
    async live(world) {
      const names = [world.newUser(), world.newUser()] as const
      const [alice, bob] = await Promise.all([come(world, names[0]), come(world, names[1])])
      const until = performance.now() + STAY_MS
      for (let n = 0; performance.now() < until; n++) {
        // Each message has a length of its own, so that one that is lost, doubled or out of order is noticed.
        const own = `${n} `.padEnd(300 + (n % 50))
        alice.send(own)
        const echo = await alice.next()
        if (echo.type !== 'message' || echo.bytes !== own.length)
          return `${n}: ${JSON.stringify(echo)} instead of an echo`
        const addressed = JSON.stringify({ recipientId: names[1], n }).padEnd(100 + (n % 50))
        alice.send(addressed)
        const heard = await bob.next()
        if (heard.type !== 'message' || heard.bytes !== addressed.length) {
          return `${n}: ${JSON.stringify(heard)} instead of a message`
        }
        await sleep(TALK_MS)
      }
      await bob.close(1000)
      return alice.close(1000)
    },
  },
}
