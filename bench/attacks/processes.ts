import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { setPriority } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { NODE_FLAGS } from '../machine/node-flags.ts'
import type { MemoryCgroup } from './cgroup.ts'

/** Our programs, with the memory limits that they have by default. */
export const VICTIMS = { sidecar: 192 << 20, balancer: 512 << 20 } as const
export type Victim = keyof typeof VICTIMS

/** So that it ends with this process, however that ends. */
const EXIT_WITH_PARENT = pathToFileURL(join(import.meta.dirname, '../../local/processes/exit-with-parent.mjs')).href

/** Of the attacked program and of those who measure: what others do on this machine must not count as its doing (nice(2)). */
const PRIORITY = -15

const START_MS = 30_000

/** A child of ours that says where it listens, or what it does. */
export function fork(program: string, args: readonly string[] = []): ChildProcess {
  return spawn(process.execPath, [join(import.meta.dirname, program), ...args], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

/** The next message of a child. @throws where none comes in two minutes */
export async function heard<T>(child: ChildProcess): Promise<T> {
  const [message] = await once(child, 'message', { signal: AbortSignal.timeout(120_000) })
  return message as T
}

/** An attacked program that listens. */
export interface RunningVictim {
  readonly child: ChildProcess
  readonly port: number
  readonly adminPort: number
}

/**
 * Starts a program in its cgroup, as its image does.
 *
 * @param programs folder with the bundled programs
 * @param settings variables without their prefix
 */
export async function startVictim(
  { victim, cgroup, programs }: { readonly victim: Victim; readonly cgroup: MemoryCgroup; readonly programs: string },
  settings: Readonly<Record<string, string | number>>,
): Promise<RunningVictim> {
  const all = { HOST: '127.0.0.1', PORT: 0, ADMIN_HOST: '127.0.0.1', ADMIN_PORT: 0, LOG_LEVEL: 'info', ...settings }
  const env = Object.fromEntries(Object.entries(all).map(([key, value]) => [`WS_OPERATOR_${key}`, String(value)]))
  const program = join(programs, `${victim}.js`)
  const [command, args] = cgroup.around([process.execPath, ...NODE_FLAGS, '--import', EXIT_WITH_PARENT, program])
  const child = spawn(command, args, {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', ...env },
    stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
  })
  let log = ''
  const listening = new Promise<Omit<RunningVictim, 'child'>>((resolve, reject) => {
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

/** Gives a process more of the processor, where this one may: without that, other work on the machine makes waits longer. */
export function prefer({ pid }: { readonly pid?: number | undefined }): void {
  try {
    if (pid !== undefined) setPriority(pid, PRIORITY)
  } catch {}
}

/** Ends a child at once; resolves when it has ended. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = once(child, 'exit')
  child.kill('SIGKILL')
  await exited
}
