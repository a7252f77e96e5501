import type { Container, PodTemplateSpec } from 'kubernetes-types/core/v1.d.ts'
import { SIDECAR_PORT_NAME } from '../../lib/service/names.ts'
import { Child } from '../processes/child.ts'
import { pause, until } from '../wait.ts'
import { type LocalPod, localContainerEnv, preStopOf, programOf } from './containers.ts'
import { runPreStop } from './pre-stop.ts'
import { passes } from './probes.ts'

/** `starting`: not ready yet. `draining`: no member any more, ending. `gone`: nothing of it runs. */
export type PodState = 'starting' | 'ready' | 'draining' | 'gone'

export interface PodListener {
  /** Called after every change of the state. */
  readonly changed: (pod: Pod) => void
  /** Called for each line that one of its containers writes. */
  readonly line: (pod: Pod, container: string, line: string) => void
  /** Called for each line that a preStop hook writes. */
  readonly hookLine: (pod: Pod, container: string, line: string) => void
}

/** Longest time from the start of a pod to its being ready. */
const READY_TIMEOUT_MS = 30_000
/** Time that the kubelet gives a container whose preStop hook has used up the grace period, or a sidecar whose app has. */
const LAST_GRACE_MS = 2000

/** One pod of this machine: its containers as processes, started, probed and ended in the order of the kubelet. */
export class Pod {
  readonly facts: LocalPod
  /** Resolves when nothing of it runs any more. */
  readonly gone: Promise<void>
  #state: PodState = 'starting'
  /** Why it failed, for a person to read. */
  problem: string | undefined
  readonly #sidecars: readonly Container[]
  readonly #containers: readonly Container[]
  readonly #graceMs: number
  readonly #listener: PodListener
  readonly #running = new Map<Container, Child>()
  readonly #end = new AbortController()
  /** Aborted when preStop hooks are not waited for any more. */
  readonly #skipHooks = new AbortController()
  #killed = false
  #resolveGone!: () => void

  /** @throws {Error} where the template has what this machine cannot do */
  constructor(template: PodTemplateSpec, facts: LocalPod, listener: PodListener) {
    const { containers = [], initContainers = [], terminationGracePeriodSeconds = 30 } = template.spec ?? {}
    const once = initContainers.find(({ restartPolicy }) => restartPolicy !== 'Always')
    if (once) throw new Error(`init container ${once.name}: here only sidecars are run (restartPolicy: Always)`)
    for (const container of [...initContainers, ...containers]) preStopOf(container)
    this.facts = facts
    this.#sidecars = initContainers
    this.#containers = containers
    this.#graceMs = terminationGracePeriodSeconds * 1000
    this.#listener = listener
    this.gone = new Promise(resolve => {
      this.#resolveGone = resolve
    })
  }

  get name(): string {
    return this.facts.name
  }

  get state(): PodState {
    return this.#state
  }

  /** host:port of the sidecar, as the headless Service would have it; `undefined` where no port has its name. */
  get member(): string | undefined {
    const ports = [...this.#sidecars, ...this.#containers].flatMap(({ ports = [] }) => ports)
    const port = ports.find(({ name }) => name === SIDECAR_PORT_NAME)?.containerPort
    return port === undefined ? undefined : `${this.facts.ip}:${this.facts.port(port)}`
  }

  /** Ids of the processes of its running containers. */
  get pids(): number[] {
    return [...this.#running.values()].flatMap(({ pid }) => pid ?? [])
  }

  /** Starts it; resolves when it is ready, or is ended before. @throws {Error} when it does not get ready in time */
  async start(): Promise<void> {
    try {
      for (const sidecar of this.#sidecars) {
        this.#run(sidecar)
        await this.#wait(() => this.#passes(sidecar, 'startupProbe'), `sidecar ${sidecar.name} answers`)
      }
      for (const container of this.#containers) this.#run(container)
      await this.#wait(() => this.#allReady(), 'its containers are ready')
    } catch (error) {
      // A container that ended has said more about it.
      this.problem ??= (error as Error).message
      await this.kill()
      throw new Error(`pod ${this.name}: ${this.problem}`, { cause: error })
    }
    if (this.#state !== 'starting') return
    this.#setState('ready')
    void this.#watchReadiness()
  }

  /**
   * Ends it as the kubelet does: all preStop hooks start at once; the app gets SIGTERM after its own hook, a sidecar after its own
   * and when the app has ended (KEP-753); SIGKILL at the end of the grace period.
   */
  async terminate(): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'gone') return this.gone
    this.#setState('draining')
    const deadline = Date.now() + this.#graceMs
    const hooks = new Map(
      [...this.#sidecars, ...this.#containers].map(container => [container, this.#preStop(container, deadline)]),
    )
    const end = async (container: Container) => {
      await hooks.get(container)
      await this.#running.get(container)?.stop(Math.max(deadline, Date.now() + LAST_GRACE_MS))
    }
    await Promise.all(this.#containers.map(end))
    for (const sidecar of this.#sidecars.toReversed()) await end(sidecar)
    this.#setState('gone')
  }

  /** Ends it in the same order without its preStop hooks: when everything ends, no pod is left to hand over to. */
  async stop(): Promise<void> {
    this.#skipHooks.abort()
    await this.terminate()
  }

  /** Ends it as a machine that fails: SIGKILL for everything, at once. */
  async kill(): Promise<void> {
    if (this.#killed || this.#state === 'gone') return this.gone
    this.#killed = true
    this.#skipHooks.abort()
    const children = [...this.#running.values()]
    for (const child of children) child.kill('SIGKILL')
    await Promise.all(children.map(child => child.ended))
    this.#setState('gone')
  }

  #run(container: Container): void {
    if (this.#state !== 'starting' || this.#killed) return
    const child = new Child(
      `${this.name}/${container.name}`,
      programOf(container),
      localContainerEnv(container, this.facts),
      line => this.#listener.line(this, container.name, line),
    )
    this.#running.set(container, child)
    void child.ended.then(how => this.#ended(container, child, how))
  }

  /** A container that ends by itself takes its pod with it: a new pod comes instead. */
  #ended(container: Container, child: Child, how: string): void {
    this.#running.delete(container)
    if (this.#killed || (this.#state !== 'starting' && this.#state !== 'ready')) return
    this.problem = `container ${container.name} ended with ${how}${child.lastOutput && `, saying: ${child.lastOutput}`}`
    void this.kill()
  }

  async #preStop(container: Container, deadline: number): Promise<void> {
    const { signal } = this.#skipHooks
    const onLine = (line: string) => this.#listener.hookLine(this, container.name, line)
    const problem = await runPreStop(container, this.facts, { onLine, deadline, signal })
    if (problem !== undefined) this.problem ??= problem
  }

  #passes(container: Container, probe: 'startupProbe' | 'readinessProbe'): Promise<boolean> {
    return passes(container[probe], container, this.facts.ip, this.facts.port)
  }

  async #allReady(): Promise<boolean> {
    const all = [...this.#sidecars, ...this.#containers]
    return (await Promise.all(all.map(container => this.#passes(container, 'readinessProbe')))).every(Boolean)
  }

  /** Asks more often than the probe says, so that a demo does not take a cluster's time to start. */
  async #wait(condition: () => Promise<boolean>, what: string): Promise<void> {
    await until(async () => this.#state !== 'starting' || (await condition()), what, READY_TIMEOUT_MS)
    if (this.problem) throw new Error(this.problem)
  }

  /** Probes readiness as often as the probes say: a pod whose app stops answering is no member until it answers again. */
  async #watchReadiness(): Promise<void> {
    const probes = [...this.#sidecars, ...this.#containers].flatMap(({ readinessProbe }) => readinessProbe ?? [])
    const periodMs = 1000 * Math.min(10, ...probes.map(({ periodSeconds = 10 }) => periodSeconds))
    const threshold = Math.max(1, ...probes.map(({ failureThreshold = 3 }) => failureThreshold))
    let failures = 0
    while (this.#state === 'ready' || this.#state === 'starting') {
      failures = (await this.#allReady()) ? 0 : failures + 1
      if (this.#state === 'ready' && failures >= threshold) this.#setState('starting')
      else if (this.#state === 'starting' && failures === 0) this.#setState('ready')
      await pause(periodMs, this.#end.signal)
    }
  }

  #setState(state: PodState): void {
    if (this.#state === 'gone') return
    this.#state = state
    if (state === 'gone') {
      this.#end.abort()
      this.#resolveGone()
    }
    this.#listener.changed(this)
  }
}
