import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Deployment } from 'kubernetes-types/apps/v1.d.ts'
import { parse } from 'yaml'
import { DOMAIN, ENABLE_LABEL } from '../lib/service/names.ts'
import type { Console } from './console.ts'
import { AddressBlock, freePort } from './pods/addresses.ts'
import type { Entry } from './pods/containers.ts'
import { LocalDeployment } from './pods/deployment.ts'
import { findBalancer, HooksClient, type KubeObject } from './pods/hooks-client.ts'
import type { Pod } from './pods/pod.ts'
import { Child } from './processes/child.ts'
import { parseLog } from './processes/line-reader.ts'
import { Traffic, type TrafficEvent } from './scenario/traffic.ts'
import { until } from './wait.ts'

const root = join(import.meta.dirname, '..')
const EXAMPLE = 'manifests/examples/chat.yaml'
const REPLICAS = 3
/** Where clients connect; another port is used where this one is taken. */
const ENTRY = { host: '127.0.0.1', port: 8080 }
const HOOKS_TIMEOUT_MS = 20_000
const STOP_TIMEOUT_MS = 10_000

export interface DemoListener {
  /** Pods or users have changed. */
  readonly changed: () => void
  readonly podChanged: (pod: Pod) => void
  readonly traffic: (event: TrafficEvent) => void
}

/** The whole path on this machine: hooks, pods with sidecars, balancer. */
export class Demo {
  readonly traffic = new Traffic()
  readonly #console: Console
  readonly #listeners = new Set<DemoListener>()
  readonly #folder: string
  readonly #membersFile: string
  readonly #block: AddressBlock
  #hooks: Child | undefined
  #chat!: LocalDeployment
  #balancer: LocalDeployment | undefined
  #entry: Entry = ENTRY
  #written = ''
  #stopping = false

  private constructor(console: Console, block: AddressBlock) {
    this.#console = console
    this.#block = block
    this.#folder = mkdtempSync(join(tmpdir(), 'ws-operator-demo-'))
    this.#membersFile = join(this.#folder, 'members.json')
    this.#writeMembers()
  }

  /**
   * Starts everything and says each step. Ask for {@link stop} however it ends.
   *
   * @param created gets the demo before anything runs, so that it can be stopped half-way
   */
  static async start(console: Console, created: (demo: Demo) => void): Promise<void> {
    const demo = new Demo(console, await AddressBlock.reserve())
    created(demo)
    const hooks = new HooksClient(await demo.#startHooks())
    const { deployment, balancer } = await demo.#askDecorator(hooks)
    const children = await demo.#askComposite(hooks, balancer)
    await demo.#startPods(deployment)
    await demo.#startBalancer(hooks, balancer, children)
  }

  /** The app's pods. */
  get chat(): LocalDeployment {
    return this.#chat
  }

  get balancer(): LocalDeployment | undefined {
    return this.#balancer
  }

  /** Where clients connect. */
  get url(): string {
    return `ws://${this.#entry.host}:${this.#entry.port}`
  }

  /** Members as the cluster's DNS would name them: the pods that are ready. */
  get members(): string[] {
    return (this.#chat?.ready ?? []).flatMap(({ member }) => member ?? []).sort()
  }

  podOf(member: string): Pod | undefined {
    return this.#chat.pods.find(pod => pod.member === member)
  }

  /** The pod that a user is connected to. */
  podWith(user: string): Pod | undefined {
    return this.#chat.pods.find(pod => this.traffic.usersOn(pod.name).includes(user))
  }

  listen(listener: DemoListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Resolves when the balancer and every ready pod know exactly the pods that are ready. */
  async settled(timeoutMs = 15_000): Promise<void> {
    const look = () => {
      const programs = [...this.#chat.ready, ...(this.#balancer?.ready ?? [])]
      return programs.length > 0 && programs.every(pod => this.traffic.knows(pod.name, this.members))
    }
    await until(look, 'the balancer and all sidecars know the members', timeoutMs)
  }

  /** Ends all pods and the balancer, then the hooks; bounded by grace periods. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all([this.#chat?.stop(), this.#balancer?.stop()])
    await this.#hooks?.stop(Date.now() + STOP_TIMEOUT_MS)
    this.#block.release()
    rmSync(this.#folder, { recursive: true, force: true })
  }

  async #startHooks(): Promise<string> {
    this.#console.step('Hooks: the process that Metacontroller calls on a cluster')
    let address: { port: number } | undefined
    const env = { WS_OPERATOR_HOST: '127.0.0.1', WS_OPERATOR_ADMIN_HOST: '127.0.0.1' }
    const ports = { WS_OPERATOR_PORT: '0', WS_OPERATOR_ADMIN_PORT: '0' }
    const child = new Child('hooks', 'hooks/main.ts', { ...env, ...ports }, line => {
      const log = parseLog(line)
      if (log?.['msg'] === 'listening') address = log['address'] as typeof address
    })
    this.#hooks = child
    let how: string | undefined
    void child.ended.then(end => {
      how = end
    })
    const found = await until(() => address ?? (how === undefined ? undefined : { port: 0 }), 'hooks', HOOKS_TIMEOUT_MS)
    if (found.port === 0) throw new Error(`the hooks ended with ${how}, saying: ${child.lastOutput}`)
    this.#console.detail(`listening on 127.0.0.1:${found.port}`)
    return `http://127.0.0.1:${found.port}`
  }

  async #askDecorator(hooks: HooksClient) {
    const deployment = exampleDeployment()
    this.#console.step(`Deployment chat from ${EXAMPLE}, with the label ${ENABLE_LABEL}=true → POST /decorator/sync`)
    const { deployment: decorated, attachments, answers } = await hooks.decorate(deployment)
    for (const answer of answers) this.#console.detail(answer)
    const pod = decorated.spec?.template.spec
    const names = (list: readonly { name: string }[] = []) => list.map(({ name }) => name).join(', ')
    this.#console.detail(
      `pod template now: sidecars ${names(pod?.initContainers)}; containers ${names(pod?.containers)}`,
    )
    this.#console.detail(`also made: ${attachments.map(({ kind, metadata }) => `${kind} ${metadata.name}`).join(', ')}`)
    return { deployment: decorated, balancer: findBalancer(attachments) }
  }

  async #askComposite(hooks: HooksClient, balancer: KubeObject): Promise<KubeObject[]> {
    this.#console.step(`WebSocketBalancer ${balancer.metadata.name} → POST /composite/sync`)
    const { status, children } = await hooks.balance(balancer, [])
    this.#console.detail(status)
    const kinds = children.map(({ kind }) => kind).join(', ')
    this.#console.detail(`made: ${kinds}, all named ${children[0]?.metadata.name}`)
    return children
  }

  async #startPods(deployment: Deployment): Promise<void> {
    const replicas = deployment.spec?.replicas ?? 1
    this.#console.step(`${replicas} pods: each the app and its sidecar, two processes on an address of their own`)
    this.#chat = this.#deployment(deployment)
    await this.#chat.scale(replicas)
  }

  async #startBalancer(hooks: HooksClient, parent: KubeObject, children: readonly KubeObject[]): Promise<void> {
    this.#console.step('Balancer: the Deployment that the composite hook returned')
    const child = children.find(({ kind }) => kind === 'Deployment')
    if (!child) throw new Error('the composite hook returned no Deployment')
    this.#balancer = this.#deployment(child as Deployment, async () => {
      const port = await freePort(ENTRY.host, ENTRY.port, 'the balancer', this.#console.detail)
      this.#entry = { ...ENTRY, port }
      return this.#entry
    })
    await this.#balancer.scale((child as Deployment).spec?.replicas ?? 1)
    await this.settled()
    const { replicas } = this.#balancer
    child['status'] = {
      replicas,
      readyReplicas: this.#balancer.ready.length,
      conditions: [{ type: 'Available', status: 'True' }],
    }
    const { status } = await hooks.balance(parent, children)
    this.#console.detail(`POST /composite/sync again: ${status}`)
    this.#console.detail(`clients connect to ${this.url}/?user=NAME`)
  }

  #deployment(deployment: Deployment, entry?: () => Promise<Entry>): LocalDeployment {
    if (this.#stopping) throw new Error('the demo is ending')
    return new LocalDeployment(deployment, {
      block: this.#block,
      membersFile: this.#membersFile,
      entry,
      report: line => this.#console.detail(line),
      changed: pod => this.#podChanged(pod),
      forgotten: () => this.#changed(),
      line: (_pod, _container, line) => this.#line(line),
      hookLine: (pod, container, line) => this.#console.event(`pod ${pod.name}, preStop of ${container}: ${line}`),
    })
  }

  #podChanged(pod: Pod): void {
    if (this.#chat) this.#writeMembers()
    if (pod.state === 'gone') this.traffic.forget(pod.name)
    for (const listener of this.#listeners) listener.podChanged(pod)
    this.#changed()
  }

  #changed(): void {
    for (const listener of this.#listeners) listener.changed()
  }

  #line(line: string): void {
    const log = parseLog(line)
    if (!log) return
    const event = this.traffic.read(log, member => this.podOf(member)?.name)
    if (event) for (const listener of this.#listeners) listener.traffic(event)
    this.#changed()
  }

  /** The stand-in for DNS and EndpointSlices: replaced as a whole, so that no program reads half a list. */
  #writeMembers(): void {
    const text = JSON.stringify(this.members)
    if (text === this.#written) return
    this.#written = text
    writeFileSync(`${this.#membersFile}.new`, text)
    renameSync(`${this.#membersFile}.new`, this.#membersFile)
  }
}

/** The example of the guide, labelled. Its annotations make logs and answers show where each user is, and limit it to one balancer. */
function exampleDeployment(): Deployment {
  const deployment = parse(readFileSync(join(root, EXAMPLE), 'utf8')) as Deployment
  const { metadata = {}, spec } = deployment
  return {
    ...deployment,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, [ENABLE_LABEL]: 'true' },
      annotations: {
        ...metadata.annotations,
        [`${DOMAIN}/log-level`]: 'debug',
        [`${DOMAIN}/expose-topology`]: 'true',
        [`${DOMAIN}/balancer-replicas`]: '1',
      },
    },
    ...(spec && { spec: { ...spec, replicas: REPLICAS } }),
  }
}
