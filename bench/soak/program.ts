import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { NODE_FLAGS } from '../machine/node-flags.ts'
import { memoryOf } from '../machine/proc.ts'
import type { Inside } from './probe.ts'
import type { Sample } from './verdict.ts'

const root = join(import.meta.dirname, '../..')
const probe = pathToFileURL(join(import.meta.dirname, 'probe.ts')).href
const WAIT_MS = 20_000
/** Last characters of its log that are kept for when it fails. */
const KEPT_CHARACTERS = 2000

const running = new Set<ChildProcess>()
// The last resort, however this process comes to its end.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A program of ours as a process that can be looked into. */
export class Program {
  readonly name: string
  readonly #child: ChildProcess
  readonly #adminPort: number
  #log = ''

  private constructor(name: string, child: ChildProcess, adminPort: number) {
    this.name = name
    this.#child = child
    this.#adminPort = adminPort
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', chunk => {
        this.#log = (this.#log + chunk).slice(-KEPT_CHARACTERS)
      })
  }

  /** Starts a program and waits until it is ready. */
  static async start(
    name: string,
    kind: 'balancer' | 'sidecar',
    adminPort: number,
    settings: Record<string, string | number>,
  ): Promise<Program> {
    const all = { HOST: '127.0.0.1', ADMIN_HOST: '127.0.0.1', ADMIN_PORT: adminPort, LOG_LEVEL: 'error', ...settings }
    const env = Object.fromEntries(Object.entries(all).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)]))
    const program = new Program(
      name,
      launch([...NODE_FLAGS, '--expose-gc', '--import', probe, join(root, kind, 'main.ts')], env),
      adminPort,
    )
    const deadline = performance.now() + WAIT_MS
    while (!(await program.#ready())) {
      if (program.ended || performance.now() > deadline)
        throw new Error(`${name} is not ready: ${program.#log || 'it said nothing'}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return program
  }

  get ended(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  /** @throws where it has ended, or does not answer */
  async sample(): Promise<Sample> {
    if (this.ended) throw new Error(`${this.name} has ended: ${this.#log || 'it said nothing'}`)
    const pid = this.#child.pid as number
    this.#child.send('look')
    const [inside] = (await once(this.#child, 'message', { signal: AbortSignal.timeout(WAIT_MS) })) as [Inside]
    const metrics = await this.#admin('metrics')
    return {
      ...inside,
      rss: memoryOf([pid]).rss,
      files: readdirSync(`/proc/${pid}/fd`).length,
      connections: gauge(metrics, 'connections'),
      users: gauge(metrics, 'users'),
      queueBytes: gauge(metrics, 'queue_bytes'),
    }
  }

  /** Sum of a metric over its labels, as it is now. */
  async metric(name: string): Promise<number> {
    return gauge(await this.#admin('metrics'), name)
  }

  stop(): Promise<void> {
    return stop(this.#child)
  }

  async #ready(): Promise<boolean> {
    try {
      await this.#admin('readyz')
      return true
    } catch {
      return false
    }
  }

  async #admin(path: string): Promise<string> {
    const signal = AbortSignal.timeout(WAIT_MS)
    // Its own connection must not be among the open files that are counted.
    const response = await fetch(`http://127.0.0.1:${this.#adminPort}/${path}`, {
      signal,
      headers: { connection: 'close' },
    })
    const text = await response.text()
    if (!response.ok) throw new Error(text)
    return text
  }
}

/** Sum of a metric over its labels; 0 where the program has none of that name. */
export function gauge(metrics: string, name: string): number {
  let sum = 0
  for (const [, value] of metrics.matchAll(new RegExp(`^ws_operator_${name}(?:\\{[^}]*\\})? (\\S+)$`, 'gm')))
    sum += Number(value)
  return sum
}

/** The app, as a process of its own. */
export async function startApp(): Promise<{ port: number; connections(): Promise<number>; stop(): Promise<void> }> {
  const child = launch([join(import.meta.dirname, 'app.ts'), '0'], {})
  child.stderr?.pipe(process.stderr)
  const [port] = (await once(child, 'message', { signal: AbortSignal.timeout(WAIT_MS) })) as [number]
  return {
    port,
    connections: async () => Number(await (await fetch(`http://127.0.0.1:${port}/connections`)).text()),
    stop: () => stop(child),
  }
}

function launch(args: readonly string[], env: Record<string, string>): ChildProcess {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  running.add(child)
  child.once('exit', () => running.delete(child))
  return child
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const timer = setTimeout(() => child.kill('SIGKILL'), WAIT_MS)
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
  clearTimeout(timer)
}
