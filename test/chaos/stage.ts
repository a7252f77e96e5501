import { createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { AddressBlock } from '../../local/pods/addresses.ts'
import { Child } from '../../local/processes/child.ts'
import { pause, until } from '../../local/wait.ts'
import type { Fault } from './app.ts'
import type { Incident, Truth } from './events.ts'
import { now } from './messages.ts'
import { operatorEnv, Pod } from './pod.ts'
import { Random } from './random.ts'
import type { Plan, Step } from './schedule.ts'
import { View } from './views.ts'

const BALANCERS = 2
const PORT = 3000
const ADMIN_PORT = 9090
const READY_LIMIT_MS = 30_000
/** Longest time that a step waits for another one's pod. */
const STEP_LIMIT_MS = 60_000

export interface StageOptions {
  readonly plan: Plan
  readonly folder: string
  readonly pushMs: number
  readonly fault: Fault
  /** Told what happens. */
  readonly say: (line: string) => void
  /** Called when a process ended that nobody has told to. */
  readonly crashed: (what: string) => void
}

/** The pods and balancers of a run, and the list of members that is true. */
export class Stage {
  readonly incidents: Incident[] = []
  readonly truths: Truth[] = []
  /** All pods that there ever were, by name. */
  readonly pods = new Map<string, Pod>()
  readonly balancers: string[] = []
  readonly #options: StageOptions
  readonly #addresses: AddressBlock
  readonly #random: Random
  readonly #views = new Map<string, View>()
  readonly #members = new Map<string, string>()
  readonly #children: Child[] = []
  #closing = false

  private constructor(options: StageOptions, addresses: AddressBlock) {
    this.#options = options
    this.#addresses = addresses
    this.#random = new Random(options.plan.seed).fork('views')
  }

  /** Starts the plan's first pods and the balancers; resolves when all are ready and know each other. */
  static async open(options: StageOptions): Promise<Stage> {
    const stage = new Stage(options, await AddressBlock.reserve())
    try {
      const pods = options.plan.pods.map(name => stage.#newPod(name))
      for (const pod of pods) stage.#members.set(pod.member, pod.name)
      stage.#changed()
      await Promise.all(pods.map(async pod => stage.#start(pod)))
      for (let n = 1; n <= BALANCERS; n++) await stage.#startBalancer(`b${n}`)
    } catch (error) {
      await stage.close()
      throw error
    }
    return stage
  }

  /** Does one step; resolves when all that it began is over. */
  async play(step: Step): Promise<void> {
    const { say } = this.#options
    if (step.act === 'start') return this.#startMember(step.pod)
    const pod = await until(() => this.pods.get(step.pod), `${step.pod} is there`, STEP_LIMIT_MS)
    if (step.act === 'drain') return this.#drain(pod, step.after)
    if (step.act === 'kill') return this.#kill(pod, step.noticeMs)
    const { act, pod: _name, at: _at, ...details } = step
    say(`${pod.name}: ${act} ${Object.values(details).join(' ')}`)
    if (step.act === 'kill-app') {
      const killed = now()
      this.incidents.push({ kind: 'kill-app', pod: pod.name, from: killed, to: killed })
      return pod.killApp(step.downMs)
    }
    if (step.act === 'pause') return pod.pause(step.part, step.forMs)
    if (step.act === 'delay') {
      pod.relay?.delay(step.delayMs)
      await pause(step.forMs)
      pod.relay?.delay(0)
      return
    }
    const at = now()
    const cut = pod.relay?.cut(step.what) ?? 0
    say(`${pod.name}: ${cut} connections (${step.what}) were cut`)
    if (step.what === 'clients') this.incidents.push({ kind: 'cut', pod: pod.name, from: at, to: at })
  }

  /** Whether every program has the true list. */
  get settled(): boolean {
    return [...this.#views.values()].every(view => view.settled)
  }

  /** Ends everything at once. */
  async close(): Promise<void> {
    this.#closing = true
    for (const view of this.#views.values()) view.close()
    for (const child of this.#children) child.kill('SIGKILL')
    await Promise.all([...this.#children.map(child => child.ended), ...[...this.pods.values()].map(pod => pod.kill())])
    this.#addresses.release()
  }

  #newPod(name: string): Pod {
    const { plan, folder, pushMs, fault } = this.#options
    const { relay, preStopMs, onTerm, deliver, receipts } = plan
    const address = this.#addresses.take()
    const crashed = (what: string) => this.#crashed(what)
    const membersFile = join(folder, 'views', name, 'members.json')
    const own = { name, address, folder, membersFile, pushMs, fault, crashed }
    const pod = new Pod({ ...own, relay, preStopMs, onTerm, deliver, receipts })
    this.pods.set(name, pod)
    return pod
  }

  async #start(pod: Pod): Promise<void> {
    await this.#view(pod.name)
    await pod.start()
  }

  async #startMember(name: string): Promise<void> {
    const pod = this.#newPod(name)
    await this.#start(pod)
    if (pod.ending) return
    this.#members.set(pod.member, name)
    this.#options.say(`${name}: ready, now a member (${this.#members.size})`)
    this.#changed()
  }

  async #drain(pod: Pod, after: string | undefined): Promise<void> {
    const { say, plan } = this.#options
    const isMember = (name: string) => [...this.#members.values()].includes(name)
    if (after !== undefined) await this.#joined(after)
    // A Deployment never takes its last pod, nor one that is not ready.
    await until(() => this.#closing || (isMember(pod.name) && this.#members.size > 1), 'another member', STEP_LIMIT_MS)
    if (this.#closing || pod.ending) return
    this.#forget(pod)
    say(`${pod.name}: to end (${this.#members.size} members left)`)
    const { termAt, goneAt, handedOverAt } = await pod.terminate(say)
    // Without a preStop it ends at once; and on a machine that has too much to do, one may be too short.
    if (termAt < handedOverAt) {
      if (plan.preStopMs > 0) say(`${pod.name}: the app had to end ${Math.round(handedOverAt - termAt)} ms too early`)
      this.incidents.push({ kind: 'exit', pod: pod.name, from: termAt, to: goneAt })
    }
    this.#gone(pod)
    say(`${pod.name}: gone`)
  }

  async #kill(pod: Pod, noticeMs: number): Promise<void> {
    // On a machine that has too much to do it may not be there yet, and whoever waits for it would do so in vain.
    await this.#joined(pod.name)
    // A last member that is killed would end the service, which is nobody's fault.
    await until(() => this.#closing || this.#members.size > 1, 'another member', STEP_LIMIT_MS)
    if (this.#closing) return
    this.#options.say(`${pod.name}: SIGKILL`)
    const at = now()
    this.incidents.push({ kind: 'kill', pod: pod.name, from: at, to: at })
    await pod.kill()
    await pause(noticeMs)
    this.#forget(pod)
    this.#gone(pod)
  }

  /** Resolves when a pod is a member, or was: it may be told to end at once. */
  async #joined(name: string): Promise<void> {
    const joined = () => this.truths.some(({ members }) => [...members.values()].includes(name))
    await until(() => this.#closing || joined(), `${name} is a member`, STEP_LIMIT_MS)
  }

  #forget(pod: Pod): void {
    if (this.#members.delete(pod.member)) this.#changed()
  }

  #gone(pod: Pod): void {
    this.#views.get(pod.name)?.close()
    // Killed while it ended, it is gone twice; by then another pod may have its address.
    if (!this.#views.delete(pod.name)) return
    this.#addresses.give(pod.member.slice(0, pod.member.lastIndexOf(':')))
  }

  #changed(): void {
    const members = [...this.#members.keys()]
    this.truths.push({ at: now(), members: new Map(this.#members) })
    for (const view of this.#views.values()) view.update(members)
  }

  async #view(viewer: string): Promise<string> {
    const { folder, plan } = this.#options
    const members = [...this.#members.keys()]
    const view = await View.create(join(folder, 'views', viewer), this.#random.fork(viewer), plan.staleness, members)
    this.#views.set(viewer, view)
    return view.path
  }

  async #startBalancer(name: string): Promise<void> {
    const address = this.#addresses.take()
    const log = createWriteStream(join(this.#options.folder, `${name}.log`))
    const env = operatorEnv({
      HOST: address,
      PORT,
      ADMIN_HOST: address,
      ADMIN_PORT,
      INSTANCE: name,
      LOG_LEVEL: 'debug',
      WORKERS: 1,
      // Users say on which pod they are.
      EXPOSE_TOPOLOGY: 'true',
      REHOME: 'transparent',
      // A run is short: with the default, nobody would be moved to a new pod within it.
      REBALANCE_DELAY_SECONDS: 1,
      DISCOVERY: 'file',
      MEMBERS_FILE: await this.#view(name),
    })
    const child = new Child(name, 'balancer/main.ts', env, line => log.write(`${line}\n`))
    this.#children.push(child)
    void child.ended.then(how => this.#crashed(`${name} ended with ${how}: ${child.lastOutput}`))
    const ready = async () => (await fetch(`http://${address}:${ADMIN_PORT}/readyz`).catch(() => undefined))?.ok
    await until(ready, `balancer ${name} is ready`, READY_LIMIT_MS)
    this.balancers.push(`${address}:${PORT}`)
  }

  #crashed(what: string): void {
    if (!this.#closing) this.#options.crashed(what)
  }
}
