import type { Console } from '../console.ts'
import type { Demo } from '../demo.ts'
import { closeText } from '../page/event-text.ts'
import { until } from '../wait.ts'
import { ChatClient } from './chat-client.ts'
import { ownerOf, pickUsers, userOf } from './users.ts'

const USERS = 4
const CONVERGE_MS = 20_000
/** Longest time until every user is on the pod that owns them: users are moved only after members have been stable for a while. */
const MOVED_MS = 60_000

/**
 * Plays messages across pods, scale up, a rolling restart, kill a pod and scale down, and says what it sees. No client ever
 * connects again.
 *
 * @returns whether all was as it should be
 * @throws {Error} where it cannot go on
 */
export async function playScenario(demo: Demo, console: Console): Promise<boolean> {
  const began = performance.now()
  const scene = new Scene(demo, console)
  try {
    await scene.chat()
    await scene.scaleUp()
    await scene.restart()
    await scene.kill()
    await scene.scaleDown()
  } finally {
    scene.end()
  }
  const { passed, failed } = scene
  console.step(`${passed} ok, ${failed} failed, ${((performance.now() - began) / 1000).toFixed(1)} s`)
  return failed === 0
}

/** Counts of one exchange of messages: sent, crossed from one pod to another, lost, and times. */
interface Exchange {
  sent: number
  crossed: number
  readonly lost: string[]
  readonly times: number[]
}

class Scene {
  passed = 0
  failed = 0
  readonly #demo: Demo
  readonly #console: Console
  readonly #clients: ChatClient[] = []
  #messages = 0

  constructor(demo: Demo, console: Console) {
    this.#demo = demo
    this.#console = console
  }

  async chat(): Promise<void> {
    this.#console.step('Users connect to the balancer; each belongs to one pod')
    for (const user of pickUsers(this.#demo.members, USERS)) await this.#join(user)
    const used = new Set(this.#clients.map(({ user }) => this.#podOf(user)))
    this.#check(used.size === this.#demo.members.length, `there are users on all ${this.#demo.members.length} pods`)
    this.#console.step('Each user writes to each other one')
    await this.#everybodyWrites()
  }

  async scaleUp(): Promise<void> {
    const replicas = this.#demo.chat.replicas + 1
    this.#console.step(`Scale up to ${replicas} pods`)
    await this.#demo.chat.scale(replicas)
    await this.#demo.settled(CONVERGE_MS)
    const moved = this.#clients.filter(({ user }) => !this.#placed(user))
    const names = moved.map(({ user }) => user).join(', ')
    this.#console.detail(
      `${moved.length} of ${this.#clients.length} users belong to another pod now${names && ` (${names})`}; the balancer moves them behind their open connections`,
    )
    await this.#untilPlaced()
    this.#checkKept()
    await this.#join(userOf(this.#newest(), this.#demo.members))
    await this.#everybodyWrites()
  }

  async restart(): Promise<void> {
    this.#console.step('Restart all pods, one after the other, while everybody writes')
    let over = false
    const restarted = this.#demo.chat.restart().finally(() => {
      over = true
    })
    const exchange = newExchange()
    // The first failure ends the loop, and is thrown below.
    restarted.catch(() => {})
    while (!over) await this.#round(exchange)
    await restarted
    await this.#untilPlaced()
    this.#checkKept()
    this.#report(exchange)
    await this.#everybodyWrites()
  }

  async kill(): Promise<void> {
    const victim = this.#demo.podWith(this.#clients[0]?.user ?? '')
    if (!victim) throw new Error('the first user is on no pod')
    this.#console.step(`Kill pod ${victim.name} (SIGKILL for app and sidecar)`)
    const moved = this.#clients.filter(({ user }) => this.#podOf(user) === victim.name)
    await this.#demo.chat.kill(victim.name)
    for (const { user } of moved) {
      const pod = await until(() => this.#podOf(user) ?? false, `${user} is on another pod`, CONVERGE_MS)
      this.#console.detail(`${user} is on ${pod} now`)
    }
    // With the pod that comes in its place.
    await this.#demo.chat.scale(this.#demo.chat.replicas)
    await this.#untilPlaced()
    this.#checkKept()
    await this.#everybodyWrites()
  }

  async scaleDown(): Promise<void> {
    const { chat } = this.#demo
    const victim = this.#demo.podOf(this.#newest())
    if (!victim) throw new Error('no pod is ready')
    this.#console.step(`Scale down to ${chat.replicas - 1} pods`)
    await this.#join(userOf(victim.member as string, this.#demo.members))
    await chat.scale(chat.replicas - 1)
    await victim.gone
    await this.#untilPlaced()
    this.#checkKept()
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
    const pod = await until(() => this.#podOf(user) ?? false, `${user} is on a pod`, CONVERGE_MS)
    this.#check(this.#placed(user), `${user} is on ${pod}`)
  }

  async #everybodyWrites(): Promise<void> {
    const exchange = newExchange()
    await this.#round(exchange)
    this.#report(exchange)
  }

  /** Each user writes to each other one, so both ways between all pods. */
  async #round(exchange: Exchange): Promise<void> {
    for (const from of this.#clients) {
      for (const to of this.#clients) {
        if (from === to) continue
        const crosses = this.#podOf(from.user) !== this.#podOf(to.user)
        const took = await from.reach(to, `message ${++this.#messages}`)
        exchange.sent++
        if (took === undefined) exchange.lost.push(`${from.user} → ${to.user}`)
        else exchange.times.push(took)
        if (crosses) exchange.crossed++
      }
    }
  }

  #report({ sent, crossed, lost, times }: Exchange): void {
    times.sort((a, b) => a - b)
    const median = times[times.length >> 1]?.toFixed(1)
    const missing = lost.length > 0 ? `; lost: ${lost.join(', ')}` : ''
    this.#check(
      lost.length === 0 && crossed > 0,
      `${times.length} of ${sent} messages arrived, ${crossed} of them from one pod to another, in ${median} ms (median)${missing}`,
    )
  }

  /** Resolves when all programs know the members and every connected user is on the pod that owns them. */
  async #untilPlaced(): Promise<void> {
    await this.#demo.settled(CONVERGE_MS)
    const misplaced = () => this.#clients.filter(({ user, closed }) => closed === undefined && !this.#placed(user))
    await until(() => misplaced().length === 0, 'every user is on their own pod', MOVED_MS)
  }

  #checkKept(): void {
    const ended = this.#clients.filter(({ closed }) => closed !== undefined)
    const how = ended.map(({ user, closed }) => `${user}'s was ${closeText(closed as number)}`).join(', ')
    this.#check(
      ended.length === 0,
      ended.length === 0
        ? `all ${this.#clients.length} users kept their connections, each on their own pod`
        : `connections ended: ${how}`,
    )
  }

  /** Whether a user is on the pod that owns them, and on no other. */
  #placed(user: string): boolean {
    const { chat, traffic, members } = this.#demo
    const on = chat.pods.filter(({ name }) => traffic.usersOn(name).includes(user))
    return on.length === 1 && on[0]?.member === ownerOf(user, members)
  }

  /** Name of the pod that a user is on. */
  #podOf(user: string): string | undefined {
    return this.#demo.podWith(user)?.name
  }

  #newest(): string {
    return this.#demo.chat.ready.at(-1)?.member ?? ''
  }

  #check(ok: boolean, text: string): void {
    if (ok) this.passed++
    else this.failed++
    this.#console.check(ok, text)
  }
}

const newExchange = (): Exchange => ({ sent: 0, crossed: 0, lost: [], times: [] })
