import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from '../machine/proc.ts'
import type { Job, Said } from './attacker.ts'
import type { Attack } from './attacks.ts'
import type { MemoryCgroup } from './cgroup.ts'
import { Probes } from './probe.ts'
import { fork, heard, prefer, type RunningVictim, startVictim, stop, type Victim } from './processes.ts'

/** What a program keeps for the next time: its heap, and code that has become hot. */
const KEPT_BYTES = 48 << 20

/** Well-behaved clients. */
const WELL_BEHAVED = 20

const SAMPLE_MS = 50

/** What became of a program that was attacked. Bytes are those of its cgroup. */
export interface Result {
  /** How it ended, where it did: a signal or an exit code. */
  readonly ended: string | undefined
  readonly connected: number
  readonly refused: number
  /** Connections of the attackers that were still open at the end. */
  readonly open: number
  readonly before: number
  readonly peak: number
  /** The most that the kernel held for its sockets. */
  readonly peakSockets: number
  /** When the attackers have gone, and when it has had some seconds. */
  readonly after: number
  /** Whether it had given back nearly all by then. */
  readonly recovered: boolean
  /** Longest wait of a well-behaved client for its echo, in milliseconds, while its app was not stopped, or of who asked for `/healthz`. */
  readonly longestWaitMs: number
  /** CPU time of the program from the first handshake of the attackers to the end, where it lives. */
  readonly cpuSeconds: number
  /** Echoes that each of them had at least while the attack went on, or after it where its app was stopped. */
  readonly echoes: number
  /** What became of one of them, if it is not well. */
  readonly problem: string | undefined
  /** Connections that ended, by cause. */
  readonly closed: Readonly<Record<string, number>>
}

export interface Setting {
  readonly victim: Victim
  readonly cgroup: MemoryCgroup
  /** Folder with the bundled programs. */
  readonly programs: string
  /** How long it is attacked, in milliseconds, and how long it gets to recover at most. */
  readonly attackMs: number
  readonly recoverMs: number
  readonly clients?: number
}

/** Attacks a program in a cgroup, and measures it and a well-behaved client of it. */
export async function attack(attack: Attack, setting: Setting): Promise<Result> {
  const stage = new Stage(attack, setting)
  try {
    await stage.start()
    return await stage.play()
  } finally {
    await stage.close()
  }
}

/** The processes of one attack, and what is measured of them. */
class Stage {
  readonly #attack: Attack
  readonly #setting: Setting
  readonly #children: ChildProcess[] = []
  #app!: ChildProcess
  #victim!: RunningVictim
  #probes!: Probes
  #sampling: NodeJS.Timeout | undefined
  /** How the attacked program ended, if it has. */
  #ended: string | undefined
  #peak = 0
  #peakSockets = 0

  constructor(attack: Attack, setting: Setting) {
    this.#attack = attack
    this.#setting = setting
  }

  /** Starts the app, the program and its well-behaved clients. */
  async start(): Promise<void> {
    const { victim } = this.#setting
    this.#app = this.#fork('app.ts')
    prefer(this.#app)
    prefer(process)
    const appPort = await heard<number>(this.#app)
    const settings =
      victim === 'sidecar'
        ? { APP_PORT: appPort, SELF: '127.0.0.1:1', MEMBERS: '127.0.0.1:1', ...this.#attack.settings }
        : { MEMBERS: `127.0.0.1:${appPort}`, WORKERS: 1 }
    this.#victim = await startVictim(this.#setting, settings)
    const { child, port, adminPort } = this.#victim
    this.#children.push(child)
    prefer(child)
    child.once('exit', (code, signal) => {
      this.#ended = signal ?? `exit code ${code}`
    })
    this.#probes = await Probes.open(port, adminPort, WELL_BEHAVED)
    await sleep(500)
  }

  /** Attacks for a while, and gives the program time to recover. */
  async play(): Promise<Result> {
    const { cgroup } = this.#setting
    const before = cgroup.used
    const recoveredAt = before + Math.max(KEPT_BYTES, this.#attack.keptBytes ?? 0)
    this.#sample()
    const cpuBefore = this.#cpuSeconds()
    const during = await this.#attackFor()
    const closed = this.#ended === undefined ? await closes(this.#victim.adminPort) : {}
    const echoesAfter = await this.#recover(recoveredAt)
    const after = cgroup.used
    return {
      ended: this.#ended,
      connected: during.connected,
      refused: during.refused,
      open: during.open,
      before,
      peak: this.#peak,
      peakSockets: this.#peakSockets,
      after,
      recovered: after <= recoveredAt,
      longestWaitMs: Math.max(during.longestWaitMs, this.#probes.longest),
      cpuSeconds: this.#ended === undefined ? this.#cpuSeconds() - cpuBefore : Number.NaN,
      echoes: echoesAfter ?? during.echoes,
      problem: this.#probes.problem,
      closed,
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#sampling)
    this.#probes?.close()
    await Promise.all(this.#children.map(stop))
    this.#setting.cgroup.remove()
  }

  #fork(program: string, args?: readonly string[]): ChildProcess {
    const child = fork(program, args)
    this.#children.push(child)
    return child
  }

  #cpuSeconds(): number {
    return cpuSeconds([this.#victim.child.pid as number])
  }

  #sample(): void {
    const { cgroup } = this.#setting
    this.#sampling = setInterval(() => {
      this.#peak = Math.max(this.#peak, cgroup.used)
      this.#peakSockets = Math.max(this.#peakSockets, cgroup.sockets)
    }, SAMPLE_MS)
  }

  /** Looks until a time, the end of the program, or the condition. @param deadline as of performance.now() */
  async #watch(deadline: number, done: () => boolean): Promise<void> {
    while (this.#ended === undefined && performance.now() < deadline && !done()) await sleep(SAMPLE_MS)
  }

  async #attackFor() {
    const { name, clients, stopsApp, stopsAppAfterMs = 0 } = this.#attack
    const { victim, attackMs, clients: count } = this.#setting
    const job: Job = { attack: name, port: this.#victim.port, clients: count ?? clients[victim] }
    const probes = this.#probes
    probes.reset()
    const attacker = this.#fork('attacker.ts', [JSON.stringify(job)])
    const { connected, refused } = await heard<Extract<Said, { connected: number }>>(attacker)
    if (stopsApp && stopsAppAfterMs === 0) this.#app.kill('SIGSTOP')
    const [waitedBefore, echoesBefore] = [probes.longest, probes.echoes]
    attacker.send('go')
    if (stopsApp && stopsAppAfterMs > 0) {
      await sleep(stopsAppAfterMs)
      this.#app.kill('SIGSTOP')
    }
    await this.#watch(performance.now() + attackMs, () => false)
    const echoes = probes.echoes - echoesBefore
    // While the app is stopped, clients wait for it and not for the attacked program.
    const longestWaitMs = Math.max(stopsApp ? waitedBefore : probes.longest, probes.longestOfHealth)
    attacker.send('stop')
    const { open } = await heard<Extract<Said, { open: number }>>(attacker)
    if (stopsApp) {
      this.#app.kill('SIGCONT')
      probes.reset()
    }
    return { connected, refused, open, echoes, longestWaitMs }
  }

  /** @returns echoes since the app goes on, where it was stopped */
  async #recover(recoveredAt: number): Promise<number | undefined> {
    const deadline = performance.now() + this.#setting.recoverMs
    const since = this.#probes.echoes
    let echoes: number | undefined
    if (this.#attack.stopsApp) {
      await this.#watch(deadline, () => this.#probes.echoes >= since + 2)
      echoes = this.#probes.echoes - since
    }
    await this.#watch(deadline, () => this.#setting.cgroup.used <= recoveredAt)
    return echoes
  }
}

/** Connections that have ended, by cause. */
async function closes(adminPort: number): Promise<Record<string, number>> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { signal: AbortSignal.timeout(10_000) })
  const matches = (await response.text()).matchAll(/^ws_operator_closed_total\{cause="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries(Array.from(matches, ([, cause, count]) => [cause, Number(count)]))
}
