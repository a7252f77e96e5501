import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { LineReader, parseLog } from './line-reader.ts'

const root = join(import.meta.dirname, '../..')
const EXIT_WITH_PARENT = pathToFileURL(join(import.meta.dirname, 'exit-with-parent.mjs')).href

const running = new Set<Child>()
// The last resort at any exit of this process; `exit-with-parent.mjs` covers SIGKILL.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** Node as a process of its own, mostly with a program of this repository. */
export class Child {
  readonly name: string
  /** Resolves when it has ended, with how: "exit code 1" or "SIGKILL". */
  readonly ended: Promise<string>
  readonly #process: ChildProcess
  #lastLine = ''

  /**
   * @param program path below the repository; where Node gets more than that, all its arguments
   * @param env all of it: like a container, it inherits nothing
   * @param onLine called for each line of its standard output
   */
  constructor(
    name: string,
    program: string | readonly string[],
    env: Record<string, string>,
    onLine: (line: string) => void,
  ) {
    this.name = name
    this.#process = spawn(process.execPath, ['--import', EXIT_WITH_PARENT, ...[program].flat()], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      // A Ctrl-C in the terminal is for the demo, which ends its children in their order.
      detached: true,
    })
    const stdout = new LineReader(line => {
      this.#lastLine = line
      onLine(line)
    })
    const stderr = new LineReader(line => {
      this.#lastLine = line
    })
    this.#process.stdout?.on('data', chunk => stdout.push(chunk))
    this.#process.stderr?.on('data', chunk => stderr.push(chunk))
    running.add(this)
    this.ended = new Promise(resolve => {
      this.#process.once('close', (code, signal) => {
        running.delete(this)
        resolve(signal ?? `exit code ${code}`)
      })
      this.#process.once('error', error => {
        running.delete(this)
        this.#lastLine = error.message
        resolve(error.message)
      })
    })
  }

  get pid(): number | undefined {
    return this.#process.pid
  }

  /** Its last output: the message of a log line, else the line itself. */
  get lastOutput(): string {
    const message = parseLog(this.#lastLine)?.['msg']
    return typeof message === 'string' ? message : this.#lastLine
  }

  kill(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** SIGTERM, and SIGKILL at `deadline` (ms since the epoch). Resolves when it has ended. */
  async stop(deadline: number): Promise<void> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), Math.max(0, deadline - Date.now()))
    await this.ended
    clearTimeout(timer)
  }
}
