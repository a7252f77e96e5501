import { ChatClient } from './chat-client.ts'
import type { Say } from './console.ts'
import type { Demo } from './demo.ts'
import { ownerOf, pickUsers, userOf } from './users.ts'
import { closeWords } from './words.ts'

/** Close codes by which a pod that ends properly lets its clients know: its app's goodbye, or its sidecar's. */
const GOODBYES = [1001, 1012]
const USERS = 4
const CONVERGE_MS = 20_000

/**
 * Plays messages across pods, scale up, kill a pod and scale down, and says what it sees.
 *
 * @returns whether all was as it should be
 * @throws {Error} where it cannot go on
 */
export async function playScenario(demo: Demo, say: Say): Promise<boolean> {
  const began = performance.now()
  const scene = new Scene(demo, say)
  try {
    await scene.chat()
    await scene.scaleUp()
    await scene.kill()
    await scene.scaleDown()
  } finally {
    scene.end()
  }
  const { passed, failed } = scene
  say.step(`${passed} ok, ${failed} failed, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return failed === 0
}

class Scene {
  passed = 0
  failed = 0
  readonly #demo: Demo
  readonly #say: Say
  readonly #clients: ChatClient[] = []
  #messages = 0

  constructor(demo: Demo, say: Say) {
    this.#demo = demo
    this.#say = say
  }

  async chat(): Promise<void> {
    this.#say.step('Users connect to the balancer; each belongs to one pod')
    for (const user of pickUsers(this.#demo.members, USERS)) await this.#join(user)
    const used = new Set(this.#clients.map(({ member }) => member))
    this.#check(used.size === this.#demo.members.length, `there are users on all ${this.#demo.members.length} pods`)
    this.#say.step('Everybody writes to everybody')
    await this.#everybodyWrites()
  }

  async scaleUp(): Promise<void> {
    const replicas = this.#demo.chat.replicas + 1
    this.#say.step(`Scale up to ${replicas} pods`)
    await this.#demo.chat.scale(replicas)
    await this.#demo.settled(CONVERGE_MS)
    const moved = this.#misplaced()
    this.#say.detail(
      `open connections stay where they are; ${moved.length} of ${this.#clients.length} users belong to another pod now${names(moved)}`,
    )
    this.#say.detail(
      'this version does not move those by itself: they can be missed until they connect again, which they do now',
    )
    await this.#reconnect(moved)
    await this.#join(userOf(this.#newest(), this.#demo.members))
    await this.#everybodyWrites()
  }

  async kill(): Promise<void> {
    const victim = this.#demo.podOf(this.#clients[0]?.member ?? '')
    if (!victim) throw new Error('the first user is on no pod')
    this.#say.step(`Kill pod ${victim.name} (SIGKILL for app and sidecar)`)
    const cut = this.#clients.filter(({ member }) => member === victim.member)
    await this.#demo.chat.kill(victim.name)
    for (const client of cut) {
      const code = await client.untilClosed()
      this.#check(code === 1006, `${client.user}'s connection was ${closeWords(code)}`)
      await client.connect()
      this.#check(client.member !== victim.member, `${client.user} is connected again, to ${this.#podName(client)}`)
    }
    const others = this.#clients.filter(client => !cut.includes(client))
    this.#check(
      others.every(({ closed }) => closed === undefined),
      `the other ${others.length} users kept their connections`,
    )
    // The pod that comes in its place.
    await this.#demo.chat.scale(this.#demo.chat.replicas)
    await this.#demo.settled(CONVERGE_MS)
    await this.#reconnect(this.#misplaced())
    await this.#everybodyWrites()
  }

  async scaleDown(): Promise<void> {
    const { chat } = this.#demo
    const victim = this.#demo.podOf(this.#newest())
    if (!victim) throw new Error('no pod is ready')
    this.#say.step(`Scale down to ${chat.replicas - 1} pods`)
    await this.#join(userOf(victim.member as string, this.#demo.members))
    const leaving = this.#clients.filter(({ member }) => member === victim.member)
    await chat.scale(chat.replicas - 1)
    for (const client of leaving) {
      const code = await client.untilClosed()
      this.#check(GOODBYES.includes(code), `${client.user}'s connection was ${closeWords(code)}`)
    }
    await victim.gone
    await this.#demo.settled(CONVERGE_MS)
    for (const client of leaving) await client.connect()
    await this.#reconnect(this.#misplaced())
    await this.#everybodyWrites()
  }

  end(): void {
    for (const client of this.#clients) client.end()
  }

  async #join(user: string): Promise<void> {
    if (this.#clients.some(client => client.user === user)) return
    const client = new ChatClient(user, this.#demo.url)
    await client.connect()
    this.#clients.push(client)
    const owner = ownerOf(user, this.#demo.members)
    this.#check(client.member === owner, `${user} is on ${this.#podName(client)} (${client.member})`)
  }

  /** Each user to each other one, so both ways between all pods. */
  async #everybodyWrites(): Promise<void> {
    const times: number[] = []
    let crossed = 0
    const lost: string[] = []
    for (const from of this.#clients) {
      for (const to of this.#clients) {
        if (from === to) continue
        const took = await from.reach(to, `message ${++this.#messages}`)
        if (took === undefined) lost.push(`${from.user} → ${to.user}`)
        else times.push(took)
        if (from.member !== to.member) crossed++
      }
    }
    const sent = times.length + lost.length
    times.sort((a, b) => a - b)
    const median = times[times.length >> 1]?.toFixed(1)
    this.#check(
      lost.length === 0 && crossed > 0,
      `${times.length} of ${sent} messages arrived, ${crossed} of them from one pod to another, in ${median} ms (median)${
        lost.length > 0 ? `; lost: ${lost.join(', ')}` : ''
      }`,
    )
  }

  async #reconnect(clients: readonly ChatClient[]): Promise<void> {
    for (const client of clients) {
      await client.reconnect()
      const owner = ownerOf(client.user, this.#demo.members)
      this.#check(client.member === owner, `${client.user} connects again and is on ${this.#podName(client)}`)
    }
  }

  /** Users whose connection is not at the pod they belong to, since members changed. */
  #misplaced(): ChatClient[] {
    return this.#clients.filter(({ user, member }) => ownerOf(user, this.#demo.members) !== member)
  }

  #newest(): string {
    return this.#demo.chat.ready.at(-1)?.member ?? ''
  }

  #podName({ member }: ChatClient): string {
    return this.#demo.podOf(member)?.name ?? member
  }

  #check(ok: boolean, text: string): void {
    if (ok) this.passed++
    else this.failed++
    this.#say.check(ok, text)
  }
}

const names = (clients: readonly ChatClient[]): string =>
  clients.length > 0 ? ` (${clients.map(({ user }) => user).join(', ')})` : ''
