import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Scope } from '../helpers/stack.ts'
import { waitFor } from '../helpers/wait.ts'

const main = fileURLToPath(new URL('../../local/main.ts', import.meta.url))

export interface DemoProcess {
  readonly child: ChildProcess
  /** What it wrote so far, both streams. */
  readonly output: () => string
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  says(text: string, timeoutMs?: number): Promise<void>
}

/** Runs the demo as a user does. */
export function runDemo(t: Scope, ...args: string[]): DemoProcess {
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  child.stderr.on('data', chunk => {
    text += chunk
  })
  const exited = once(child, 'close').then(([code, signal]) => ({ code, signal }))
  t.teardown(() => {
    child.kill('SIGKILL')
    return exited
  })
  const output = () => text
  return {
    child,
    output,
    exited,
    says: (wanted, timeoutMs = 45_000) =>
      waitFor(() => text.includes(wanted), `the demo says ${JSON.stringify(wanted)}`, timeoutMs).catch(error => {
        throw new Error(`${error.message}; it said:\n${text}`)
      }),
  }
}

/** Processes that a process has started. Linux. */
export function childrenOf(pid: number): number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
  return text.split(' ').filter(Boolean).map(Number)
}

export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // A process that has ended and that nobody has asked for yet is not running.
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')
  } catch {
    return false
  }
}

/** Checks that it ends by itself with this exit code; what it said is shown where it does not. */
export async function endsWith(t: Test, demo: DemoProcess, code: number): Promise<void> {
  const exited = await demo.exited
  if (exited.code !== code) t.comment(demo.output())
  t.strictSame(exited, { code, signal: null }, `it ends with ${code}`)
}
