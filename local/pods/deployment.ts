import { randomInt } from 'node:crypto'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import type { PodTemplateSpec } from 'kubernetes-types/core/v1.d.ts'
import { pause, until } from '../wait.ts'
import { type AddressBlock, freePort } from './addresses.ts'
import { type Entry, type LocalPod, podPorts } from './containers.ts'
import { Pod, type PodListener, type PodState } from './pod.ts'

export interface DeploymentOptions extends PodListener {
  readonly block: AddressBlock
  readonly membersFile: string
  /** Finds where clients can connect to its pod, if it stands behind a Service; asked anew for each pod. */
  readonly entry?: (() => Promise<Entry>) | undefined
  /** Called when a pod that is gone is no longer among the pods. */
  readonly forgotten: () => void
  readonly report: (line: string) => void
}

/** Letters that make no words, as in the names that Kubernetes makes. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789'
const READY_TIMEOUT_MS = 60_000
/** Time before a pod that failed is replaced: the first, and the longest after repeated failures. */
const BACKOFF_MS = [200, 10_000] as const
/** Pods that are gone stay visible for this long, in milliseconds. */
const SHOWN_GONE_MS = 1500

/** Runs the pods of a Deployment on this machine and keeps as many of them as it asks for. */
export class LocalDeployment {
  readonly name: string
  readonly #namespace: string
  readonly #template: PodTemplateSpec
  readonly #options: DeploymentOptions
  readonly #pods = new Set<Pod>()
  /** Why pods cannot be changed now: all of them are being restarted. */
  #busy: string | undefined
  #replicas = 0
  #surge = 0
  #failures = 0
  #stopped = false

  constructor({ metadata, spec }: Deployment, options: DeploymentOptions) {
    if (!spec?.template) throw new Error('the Deployment has no pod template')
    this.name = metadata?.name ?? 'unnamed'
    this.#namespace = metadata?.namespace ?? 'default'
    this.#template = spec.template
    this.#options = options
  }

  /** All its pods, oldest first, with those that went a moment ago. */
  get pods(): readonly Pod[] {
    return [...this.#pods]
  }

  get replicas(): number {
    return this.#replicas
  }

  /** Why nothing may be changed now. */
  get busy(): string | undefined {
    return this.#busy
  }

  get ready(): readonly Pod[] {
    return this.#in('ready')
  }

  find(name: string): Pod | undefined {
    return this.pods.find(pod => pod.name === name)
  }

  /** Resolves when that many pods are ready. @throws {Error} while all pods are being restarted, or when it takes too long */
  async scale(replicas: number): Promise<void> {
    if (this.#busy) throw new Error(this.#busy)
    this.#replicas = replicas
    this.#reconcile()
    await this.#untilReady(replicas)
  }

  /** Kills a pod at once; another one replaces it. @throws {Error} where it does not run */
  async kill(name: string): Promise<void> {
    const pod = this.find(name)
    if (!pod || pod.state === 'gone') throw new Error(`no pod ${name} runs`)
    await pod.kill()
  }

  /**
   * A rolling update: a new pod first, when it is ready an old one goes, and so on; the next new one does not wait until the old
   * one has ended. Resolves when all old ones have. @throws {Error} while one is under way
   */
  async restart(): Promise<void> {
    if (this.#busy) throw new Error(this.#busy)
    this.#busy = 'all pods are being restarted; wait until that is done'
    const old = this.#alive()
    try {
      for (const pod of old) {
        this.#surge = 1
        this.#reconcile()
        await this.#untilReady(this.#replicas + 1)
        this.#surge = 0
        void pod.terminate()
      }
      await Promise.all(old.map(({ gone }) => gone))
    } finally {
      this.#surge = 0
      this.#busy = undefined
      this.#reconcile()
    }
  }

  /** Ends all pods at once, each in its order; resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.pods.map(pod => pod.stop()))
  }

  #in(...states: PodState[]): Pod[] {
    return this.pods.filter(pod => states.includes(pod.state))
  }

  #alive(): Pod[] {
    return this.#in('starting', 'ready')
  }

  #reconcile(): void {
    if (this.#stopped) return
    const alive = this.#alive()
    const wanted = this.#replicas + this.#surge
    for (let count = alive.length; count < wanted; count++) this.#create()
    // The youngest go first.
    for (const pod of alive.slice(wanted).reverse()) void pod.terminate()
  }

  #create(): void {
    const { block, membersFile, entry, report, line, hookLine } = this.#options
    const ip = block.take()
    const name = `${this.name}-${Array.from({ length: 5 }, () => LETTERS[randomInt(LETTERS.length)]).join('')}`
    const ports = new Map<number, number>()
    const port = (wanted: number) => ports.get(wanted) ?? wanted
    const facts: LocalPod = { name, namespace: this.#namespace, ip, membersFile, port, entry: undefined }
    const pod = new Pod(this.#template, facts, { line, hookLine, changed: () => this.#changed(pod) })
    this.#pods.add(pod)
    const { containers = [], initContainers = [] } = this.#template.spec ?? {}
    const start = async () => {
      facts.entry = await entry?.()
      for (const wanted of podPorts([...initContainers, ...containers])) {
        ports.set(wanted, await freePort(ip, wanted, `pod ${name}`, report))
      }
      await pod.start()
      this.#failures = 0
    }
    this.#options.changed(pod)
    start().catch((error: Error) => {
      pod.problem ??= error.message
      return pod.kill()
    })
  }

  #changed(pod: Pod): void {
    this.#options.changed(pod)
    if (pod.state === 'gone') void this.#removed(pod)
    if (pod.state !== 'gone' || pod.problem === undefined) this.#reconcile()
    else void this.#replaceLater()
  }

  /** A pod that fails repeatedly is replaced after growing pauses. */
  async #replaceLater(): Promise<void> {
    const [first, longest] = BACKOFF_MS
    await pause(Math.min(longest, first * 2 ** this.#failures++))
    this.#reconcile()
  }

  async #removed(pod: Pod): Promise<void> {
    this.#options.block.give(pod.facts.ip)
    await pause(SHOWN_GONE_MS)
    this.#pods.delete(pod)
    this.#options.forgotten()
  }

  async #untilReady(count: number): Promise<void> {
    const look = () => this.#stopped || this.ready.length >= count
    await until(look, `${count} pods of ${this.name} are ready`, READY_TIMEOUT_MS)
  }
}
