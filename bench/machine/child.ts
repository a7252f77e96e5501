import { type ChildProcess, spawn } from 'node:child_process'
import { connect, createServer } from 'node:net'
import { basename } from 'node:path'
import { processTree } from './proc.ts'

/** Last characters of a child's output that are kept for when it fails. */
const KEPT_CHARACTERS = 4000
const START_MS = 10_000
const STOP_MS = 5000

const running = new Set<Child>()
// The last resort, however this process comes to its end.
process.on('exit', () => {
  for (const child of running) child.kill()
})

/** A program that was started here, on one core. */
export class Child {
  readonly pid: number
  /** Resolves with its exit code, or -1 after a signal, when it has ended and all its output is read. */
  readonly ended: Promise<number>
  readonly #name: string
  readonly #process: ChildProcess
  #stdout = ''
  #stderr = ''

  private constructor(name: string, process: ChildProcess, pid: number) {
    this.#name = name
    this.#process = process
    this.pid = pid
    running.add(this)
    process.stdout?.on('data', chunk => {
      this.#stdout = (this.#stdout + chunk).slice(-KEPT_CHARACTERS)
    })
    process.stderr?.on('data', chunk => {
      this.#stderr = (this.#stderr + chunk).slice(-KEPT_CHARACTERS)
    })
    this.ended = new Promise(resolve => {
      process.once('close', code => {
        running.delete(this)
        resolve(code ?? -1)
      })
    })
  }

  /**
   * @param core number of the only core that it may use
   * @param input for its standard input
   * @throws where there is no such program
   */
  static async start(
    [command, ...args]: readonly [string, ...string[]],
    { core, env = {}, input = '' }: { core: number; env?: Record<string, string>; input?: string },
  ): Promise<Child> {
    const child = spawn('taskset', ['--cpu-list', String(core), command, ...args], {
      env: { PATH: process.env['PATH'], ...env },
      // A Ctrl-C in the terminal is for this process, which ends its children.
      detached: true,
    })
    await new Promise((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    // It may end before it has read all of it; how it ended says why.
    child.stdin.on('error', () => {})
    child.stdin.end(input)
    return new Child(command, child, child.pid as number)
  }

  /** The end of its output. */
  get stdout(): string {
    return this.#stdout
  }

  /** What it was and the last line that it wrote, for an error's text. */
  get tail(): string {
    const said = (this.#stderr || this.#stdout).trim()
    return `${basename(this.#name)} ${said === '' ? 'said nothing' : `said ${said.slice(said.lastIndexOf('\n') + 1)}`}`
  }

  get #hasEnded(): boolean {
    return this.#process.exitCode !== null || this.#process.signalCode !== null
  }

  /**
   * Waits until it accepts connections.
   *
   * @throws where it ends before, or takes too long
   */
  async listening(port: number): Promise<void> {
    const deadline = performance.now() + START_MS
    while (!(await accepts(port))) {
      if (this.#hasEnded) throw new Error(`did not start: ${this.tail}`)
      if (performance.now() > deadline) throw new Error(`does not listen after ${START_MS} ms: ${this.tail}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Asks it to end, and ends it where it does not. */
  async stop(): Promise<void> {
    if (!this.#hasEnded) this.#process.kill('SIGTERM')
    const timer = setTimeout(() => this.kill(), STOP_MS)
    await this.ended
    clearTimeout(timer)
  }

  /** Ends it and its descendants at once. */
  kill(): void {
    for (const pid of this.#hasEnded ? [] : processTree(this.pid)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: '127.0.0.1', port })
    const answer = (result: boolean) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => answer(true))
    socket.once('error', () => answer(false))
  })
}

/** Ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map(
      server =>
        new Promise<number>((resolve, reject) => {
          server.once('error', reject)
          server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port))
        }),
    ),
  )
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
