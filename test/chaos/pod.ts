import { execFile } from 'node:child_process'
import { createWriteStream, type WriteStream } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePorts } from '../../bench/machine/child.ts'
import { Child } from '../../local/processes/child.ts'
import { pause, until } from '../../local/wait.ts'
import type { Fault } from './app.ts'
import { now } from './messages.ts'
import { scrapeOutcomes } from './outcomes.ts'
import { Relay } from './relay.ts'
import type { Deliver } from './schedule.ts'

const root = join(import.meta.dirname, '../..')
const PORT = 3000
/** Where the sidecar listens if a relay has its port. */
const BEHIND_RELAY_PORT = 3100
const APP_PORT = 3001
const READY_LIMIT_MS = 30_000
/** terminationGracePeriodSeconds. */
const GRACE_MS = 20_000
const SCRAPE_MS = 100
/** How the sub-command `drain` begins to say that it reached nobody. */
const DRAIN_FAILED = 'nothing was handed over'

export interface PodOptions {
  readonly name: string
  readonly address: string
  /** Where logs and events go. */
  readonly folder: string
  readonly membersFile: string
  readonly relay: boolean
  readonly preStopMs: number
  readonly onTerm: 'exit' | 'close'
  readonly deliver: Deliver
  readonly receipts: boolean
  readonly pushMs: number
  readonly fault: Fault
  /** Called when a process ended that nobody has told to. */
  readonly crashed: (what: string) => void
}

/** When the app of a pod that was ended got its SIGTERM, when it was gone, and when its users had been handed over. */
export interface Ending {
  readonly termAt: number
  readonly goneAt: number
  readonly handedOverAt: number
}

/** A pod: an app and its sidecar as processes with an address of their own. */
export class Pod {
  readonly name: string
  readonly member: string
  /** Outcomes of addressed messages that it has counted, by name; `undefined` where nobody could ask in the end. */
  outcomes: ReadonlyMap<string, number> | undefined
  readonly #options: PodOptions
  readonly #log: WriteStream
  #sidecar: Child | undefined
  #app: Child | undefined
  #relay: Relay | undefined
  #appStarts = 0
  #adminPort = 0
  #ending = false
  #killed = false

  constructor(options: PodOptions) {
    this.name = options.name
    this.member = `${options.address}:${PORT}`
    this.#options = options
    this.#log = createWriteStream(join(options.folder, `${options.name}.log`))
  }

  /** Resolves when it is ready. @throws {Error} when it does not get ready */
  async start(): Promise<void> {
    const { address, relay } = this.#options
    // The preStop hook asks at 127.0.0.1, which pods of this machine share.
    this.#adminPort = (await freePorts(1))[0] as number
    if (relay) this.#relay = await Relay.listen(address, PORT, { host: address, port: BEHIND_RELAY_PORT })
    this.#startApp()
    this.#sidecar = this.#run('sidecar', 'sidecar/main.ts', this.#sidecarEnv())
    const ready = async () => this.#ending || (await this.#ask('/readyz'))
    await until(ready, `pod ${this.name} is ready`, READY_LIMIT_MS)
  }

  /** Ends it as the kubelet does. @returns what of it may have lost messages */
  async terminate(say: (line: string) => void): Promise<Ending> {
    this.#ending = true
    const deadline = Date.now() + GRACE_MS
    const [ending, handedOverAt] = await Promise.all([this.#endApp(deadline), this.#drain(say)])
    await this.scrape()
    const scraping = this.#scrapeUntilGone()
    await this.#sidecar?.stop(Math.max(deadline, Date.now() + 2000))
    await scraping
    this.#relay?.close()
    return { ...ending, handedOverAt }
  }

  async kill(): Promise<void> {
    this.#ending = true
    this.#killed = true
    this.#app?.kill('SIGKILL')
    this.#sidecar?.kill('SIGKILL')
    this.#relay?.close()
    await Promise.all([this.#app?.ended, this.#sidecar?.ended])
  }

  /** Kills the app, and starts it again. */
  async killApp(downMs: number): Promise<void> {
    const app = this.#app
    app?.kill('SIGKILL')
    await app?.ended
    await pause(downMs)
    if (!this.#ending) this.#startApp()
  }

  async pause(part: 'sidecar' | 'app', forMs: number): Promise<void> {
    const child = part === 'app' ? this.#app : this.#sidecar
    child?.kill('SIGSTOP')
    await pause(forMs)
    child?.kill('SIGCONT')
  }

  /** Whether it was told to end, or killed. */
  get ending(): boolean {
    return this.#ending
  }

  get relay(): Relay | undefined {
    return this.#relay
  }

  /** Asks the sidecar what it has counted. */
  async scrape(): Promise<void> {
    this.outcomes = (await scrapeOutcomes(`http://127.0.0.1:${this.#adminPort}/metrics`)) ?? this.outcomes
  }

  async #endApp(deadline: number): Promise<Omit<Ending, 'handedOverAt'>> {
    await pause(this.#options.preStopMs)
    const termAt = now()
    await this.#app?.stop(deadline)
    return { termAt, goneAt: now() }
  }

  /** The sidecar's preStop. @returns when it had ended */
  #drain(say: (line: string) => void): Promise<number> {
    const began = now()
    return new Promise(resolve => {
      const program = [join(root, 'sidecar/main.ts'), 'drain']
      // Compiled once, as the other programs here are.
      const env = { ...this.#sidecarEnv(), NODE_COMPILE_CACHE: join(tmpdir(), 'node-compile-cache') }
      execFile(process.execPath, program, { env, timeout: GRACE_MS }, (error, stdout, stderr) => {
        this.#log.write(`drain ${stdout}${stderr}\n`)
        // It ends well whatever happens, and says what did.
        const done = !error && !stdout.startsWith(DRAIN_FAILED)
        const what = `${this.name}: preStop of the sidecar ${done ? 'done' : 'failed'}`
        say(`${what} after ${Math.round(now() - began)} ms: ${lastLine(stdout)}`)
        if (!done && !this.#killed) this.#options.crashed(`${what}: ${lastLine(stdout + stderr)}`)
        resolve(now())
      })
    })
  }

  /** Who is still connected may write until it is gone; the last count that it gives is the best there is. */
  async #scrapeUntilGone(): Promise<void> {
    let gone = this.#sidecar === undefined
    void this.#sidecar?.ended.then(() => {
      gone = true
    })
    for (; !gone; await pause(SCRAPE_MS)) await this.scrape()
  }

  #startApp(): void {
    const { folder, address, onTerm, pushMs, fault, deliver } = this.#options
    const name = `${this.name}/${++this.#appStarts}`
    const events = join(folder, `${this.name}-${this.#appStarts}.events`)
    const env = {
      HOST: address,
      PORT: APP_PORT,
      NAME: name,
      EVENTS: events,
      PUSH_MS: pushMs,
      ON_TERM: onTerm,
      FAULT: fault,
      DELIVER: deliver,
    }
    const text = Object.entries(env).map(([key, value]) => [key, String(value)])
    this.#app = this.#run('app', 'test/chaos/app.ts', Object.fromEntries(text))
  }

  #run(part: 'app' | 'sidecar', program: string, env: Record<string, string>): Child {
    const child = new Child(`${this.name}/${part}`, program, env, line => this.#log.write(`${part} ${line}\n`))
    void child.ended.then(how => {
      this.#log.write(`${part} ended with ${how}, at ${Math.round(now())}\n`)
      if (!this.#ending && how !== 'SIGKILL') {
        this.#options.crashed(`${this.name}/${part} ended with ${how}: ${child.lastOutput}`)
      }
    })
    return child
  }

  #sidecarEnv(): Record<string, string> {
    const { address, membersFile, relay, deliver, receipts } = this.#options
    return operatorEnv({
      HOST: address,
      PORT: relay ? BEHIND_RELAY_PORT : PORT,
      ADMIN_HOST: '127.0.0.1',
      ADMIN_PORT: this.#adminPort,
      INSTANCE: this.name,
      LOG_LEVEL: 'debug',
      SELF: this.member,
      APP_HOST: address,
      APP_PORT,
      DISCOVERY: 'file',
      MEMBERS_FILE: membersFile,
      DELIVER: deliver,
      RECEIPTS: String(receipts),
    })
  }

  async #ask(path: string): Promise<boolean> {
    try {
      return (await fetch(`http://127.0.0.1:${this.#adminPort}${path}`)).ok
    } catch {
      return false
    }
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

/** Settings of our programs as their environment. */
export function operatorEnv(settings: Record<string, string | number>): Record<string, string> {
  const all = { ...settings, POISON_READS: 1 }
  return Object.fromEntries(Object.entries(all).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)]))
}
