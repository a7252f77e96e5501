import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { NODE_FLAGS } from '../machine/node-flags.ts'
import { cpuSeconds } from '../machine/proc.ts'
import type { Job, Said } from './attacker.ts'
import type { Attack } from './attacks.ts'
import type { MemoryCgroup } from './cgroup.ts'
import { Probes } from './probe.ts'

/** Our programs, with the memory limits that they have by default. */
export const VICTIMS = { sidecar: 192 << 20, balancer: 512 << 20 } as const
export type Victim = keyof typeof VICTIMS

/** So that it ends with this process, however that ends. */
const LEASH = pathToFileURL(join(import.meta.dirname, '../../local/processes/exit-with-parent.mjs')).href

/** What a program keeps for the next time: its heap, and code that has become hot. */
const KEPT_BYTES = 48 << 20

/** Well-behaved clients. */
const WELL_BEHAVED = 20
/** Of the attacked program and of those who measure: what others do on this machine must not count as its doing (nice(2)). */
const PRIORITY = -15

const START_MS = 30_000
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

/** A child of ours that says where it listens, or what it does. */
function fork(program: string, args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, program), ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

async function heard<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message', { signal: AbortSignal.timeout(120_000) })
  return message as T
}

interface Listening {
  readonly port: number
  readonly adminPort: number
}

/** Starts the program in its cgroup, as its image does. */
async function startVictim({ victim, cgroup, programs }: Setting, settings: Record<string, string | number>) {
  const all = { HOST: '127.0.0.1', PORT: 0, ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0, LOG_LEVEL: 'info', ...settings }
  const env = Object.fromEntries(Object.entries(all).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)]))
  const [command, args] = cgroup.around([
    process.execPath,
    ...NODE_FLAGS,
    '--import',
    LEASH,
    join(programs, `${victim}.js`),
  ])
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let log = ''
  const listening = new Promise<Listening>((resolve, reject) => {
    child.stdout?.on('data', chunk => {
      if (log.length < 100_000) log += chunk
      const line = log.split('\n').find(text => text.includes('"msg":"listening"'))
      if (!line) return
      const { address, admin } = JSON.parse(line)
      resolve({ port: address.port, adminPort: admin.port })
    })
    child.once('exit', () => reject(new Error(`it did not start: ${log}`)))
    setTimeout(() => reject(new Error(`it does not listen: ${log}`)), START_MS).unref()
  })
  return { child, ...(await listening) }
}

/** Attacks a program in a cgroup, and measures it and a well-behaved client of it. */
export async function attack(attack: Attack, setting: Setting): Promise<Result> {
  const { victim, cgroup } = setting
  const children: ChildProcess[] = []
  const start = (program: string, args?: readonly string[]) => {
    const child = fork(program, args)
    children.push(child)
    return child
  }
  let probe: Probes | undefined
  let sampling: NodeJS.Timeout | undefined
  try {
    const app = start('app.ts')
    prefer(app)
    prefer(process)
    const appPort = await heard<number>(app)
    const own =
      victim === 'sidecar'
        ? { APP_PORT: appPort, SELF: '127.0.0.1:1', MEMBERS: '127.0.0.1:1', ...attack.settings }
        : { MEMBERS: `127.0.0.1:${appPort}`, WORKERS: 1 }
    const { child, port, adminPort } = await startVictim(setting, own)
    children.push(child)
    prefer(child)
    let ended: string | undefined
    child.once('exit', (code, signal) => {
      ended = signal ?? `exit code ${code}`
    })
    probe = await Probes.open(port, adminPort, WELL_BEHAVED)
    await sleep(500)
    const before = cgroup.used
    const recoveredAt = before + Math.max(KEPT_BYTES, attack.keptBytes ?? 0)
    let [peak, peakSockets] = [0, 0]
    sampling = setInterval(() => {
      peak = Math.max(peak, cgroup.used)
      peakSockets = Math.max(peakSockets, cgroup.sockets)
    }, SAMPLE_MS)
    const job: Job = { attack: attack.name, port, clients: setting.clients ?? attack.clients[victim] }
    const cpuBefore = cpuSeconds([child.pid as number])
    probe.reset()
    const attacker = start('attacker.ts', [JSON.stringify(job)])
    const { connected, refused } = await heard<Extract<Said, { connected: number }>>(attacker)
    if (attack.stopsApp) app.kill('SIGSTOP')
    const waitedBefore = probe.longest
    const echoesBefore = probe.echoes
    attacker.send('go')
    const deadline = performance.now() + setting.attackMs
    while (ended === undefined && performance.now() < deadline) await sleep(SAMPLE_MS)
    // Else it waits for an app that stands still, which is nobody's fault here.
    let echoes = probe.echoes - echoesBefore
    let longestWaitMs = Math.max(attack.stopsApp ? waitedBefore : probe.longest, probe.longestOfHealth)
    attacker.send('stop')
    const { open } = await heard<Extract<Said, { open: number }>>(attacker)
    if (attack.stopsApp) {
      app.kill('SIGCONT')
      probe.reset()
    }
    const closed = ended === undefined ? await closes(adminPort) : {}
    const recovered = performance.now() + setting.recoverMs
    if (attack.stopsApp) {
      const since = probe.echoes
      while (ended === undefined && performance.now() < recovered && probe.echoes < since + 2) await sleep(SAMPLE_MS)
      echoes = probe.echoes - since
    }
    while (ended === undefined && performance.now() < recovered && cgroup.used > recoveredAt) await sleep(SAMPLE_MS)
    longestWaitMs = Math.max(longestWaitMs, probe.longest)
    const { problem } = probe
    return {
      ended,
      connected,
      refused,
      open,
      before,
      peak,
      peakSockets,
      after: cgroup.used,
      recovered: cgroup.used <= recoveredAt,
      longestWaitMs,
      cpuSeconds: ended === undefined ? cpuSeconds([child.pid as number]) - cpuBefore : Number.NaN,
      echoes,
      problem,
      closed,
    }
  } finally {
    clearInterval(sampling)
    probe?.close()
    await Promise.all(children.map(stop))
    cgroup.remove()
  }
}

/** Only for who may: then neighbours make waits longer. */
function prefer({ pid }: { readonly pid?: number | undefined }): void {
  try {
    if (pid !== undefined) setPriority(pid, PRIORITY)
  } catch {}
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}

/** Connections that have ended, by cause. */
async function closes(adminPort: number): Promise<Record<string, number>> {
  const response = await fetch(`http://127.0.0.1:${adminPort}/metrics`, { signal: AbortSignal.timeout(10_000) })
  const matches = (await response.text()).matchAll(/^ws_operator_closed_total\{cause="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries(Array.from(matches, ([, cause, count]) => [cause, Number(count)]))
}
